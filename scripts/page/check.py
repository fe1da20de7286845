"""Uses the page of `mla4j serve` as a person would, in a headless Chromium. Prints `ok` and `not ok` lines; fails where one is not."""

import argparse
import json
import re
import sys
import urllib.request

from playwright.sync_api import expect, sync_playwright

ANSWERS = re.compile("/completions$")
failed = False


def check(what, holds, seen=""):
    global failed
    print(("ok " if holds else "not ok ") + what + ("" if holds else f": {seen}"))
    failed = failed or not holds


def events(*deltas, usage=None):
    """An answer as server-sent events."""
    lines = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    lines.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if usage:
        lines.append({"choices": [], "usage": usage})
    return "".join(f"data: {json.dumps(line)}\n\n" for line in lines) + "data: [DONE]\n\n"


def say(page, text):
    page.locator("#prompt").fill(text)
    page.keyboard.press("Enter")


def wait_until_done(page):
    expect(page.locator("#send")).to_be_visible(timeout=60_000)


def metric(url, name):
    text = urllib.request.urlopen(url + "metrics").read().decode()
    return float(next(line for line in text.splitlines() if line.startswith(f"mla4j:{name}{{")).split()[-1])


def answered(page, body, text):
    """What the page shows of an answer that the test makes up."""
    page.route(ANSWERS, lambda route: route.fulfill(content_type="text/event-stream", body=body))
    say(page, text)
    wait_until_done(page)
    page.unroute(ANSWERS)


def without_end(route):
    """The request of the page, but an answer does not end where the model would end it: which token that is depends on a processor's last bits."""
    route.continue_(post_data=json.dumps(json.loads(route.request.post_data) | {"ignore_eos": True}))


def run(page, url, pictures):
    asked, complaints = [], []
    page.set_default_timeout(120_000)
    page.on("request", lambda request: asked.append(request))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    expect(page.locator("#state")).to_have_class("ready", timeout=60_000)
    check("the model is named", page.locator("#model").inner_text() == "tiny-mla", page.locator("#model").inner_text())

    page.route(ANSWERS, without_end)
    page.locator("#max_tokens").fill("60")
    page.locator("#seed").fill("4")
    say(page, "In the beginning God created")
    wait_until_done(page)
    answer = page.locator(".assistant .text").first.inner_text()
    foot = page.locator(".assistant .foot").first.inner_text()
    check("an answer is shown", len(answer) > 40, answer)
    check("with its tokens per second", "tokens/s" in foot and "60 tokens" in foot, foot)

    page.locator("#system").fill("Be brief.")
    page.locator("#temperature").fill("0.5")
    say(page, "And the earth")
    wait_until_done(page)
    body = json.loads([r for r in asked if r.method == "POST"][-1].post_data)
    check("settings are sent", body["temperature"] == 0.5 and body["max_tokens"] == 60 and body["seed"] == 4, body)
    check("so are the system text and what was said", [m["role"] for m in body["messages"]] == ["system", "user", "assistant", "user"], body)
    if pictures:
        page.screenshot(path=f"{pictures}/serve-page.png")

    page.locator("#max_tokens").fill("1500")
    say(page, "And he said")
    expect(page.locator(".assistant .text").last).not_to_be_empty(timeout=60_000)
    page.locator("#stop").click()
    wait_until_done(page)
    foot = page.locator(".assistant .foot").last.inner_text()
    check("an answer can be stopped", "stopped" in foot, foot)
    page.unroute(ANSWERS)
    page.wait_for_timeout(1000)
    check("and then nothing runs", metric(url, "num_requests_running") == 0 and metric(url, "kv_cache_pages_used") == 0)

    thoughts = events(
        {"reasoning_content": "The user greets"},
        {"reasoning_content": " me."},
        {"content": "Hello!\n\n* one\n* two\n\n```java\nint x = 1 < 2 ? 3 : 4;\n```\nBye, **friend**."},
        usage={"prompt_tokens": 9, "completion_tokens": 20, "prompt_tokens_details": {"cached_tokens": 8}},
    )
    answered(page, thoughts, "hello")
    last = page.locator(".assistant").last
    check("thoughts are folded", last.locator("details.reasoning").get_attribute("open") is None and not last.locator(".thoughts").is_visible())
    last.locator("summary").click()
    check("and unfold", last.locator(".thoughts").is_visible() and last.locator(".thoughts").inner_text() == "The user greets me.")
    check("lists and code are shown as such", last.locator("li").count() == 2 and last.locator("pre code").inner_text().strip() == "int x = 1 < 2 ? 3 : 4;")
    check("what was cached is told", "8 of them cached" in last.locator(".foot").inner_text())

    answered(page, events({"content": "<img src=x onerror='document.title=1'><script>document.title=2</script>"}), "attack")
    text = page.locator(".assistant").last.locator(".text")
    check("markup in an answer is text", text.inner_text().startswith("<img") and text.locator("img, script").count() == 0, text.inner_html())

    page.route(ANSWERS, lambda route: route.fulfill(status=400, content_type="application/json", body='{"error":{"message":"n is 0"}}'))
    say(page, "wrong")
    wait_until_done(page)
    check("an error is shown", page.locator(".error").last.inner_text() == "n is 0")
    page.unroute(ANSWERS)
    expected_complaints = [c for c in complaints if "400" not in c]
    check("the browser has no complaint", not expected_complaints, expected_complaints)

    dark = page.evaluate("document.documentElement.dataset.theme")
    page.locator("#theme").click()
    page.reload()
    other = page.evaluate("document.documentElement.dataset.theme")
    check("the other colours stay chosen", {dark, other} == {"light", "dark"}, (dark, other))
    expect(page.locator("#state")).to_have_class("ready", timeout=60_000)
    check("so do the settings", page.locator("#system").input_value() == "Be brief." and page.locator("#seed").input_value() == "4")
    page.locator("#max_tokens").fill("90")
    say(page, "The word of the LORD came")
    wait_until_done(page)
    if pictures:
        page.screenshot(path=f"{pictures}/serve-page-dark.png")
    page.locator("#new").click()
    check("a conversation can begin anew", page.locator(".message").count() == 0 and page.locator("#empty").is_visible())

    page.set_viewport_size({"width": 400, "height": 700})
    page.reload()
    check("it fits a telephone", page.evaluate("document.documentElement.scrollWidth") <= 400, page.evaluate("document.documentElement.scrollWidth"))
    check("nobody else is asked", all(r.url.startswith(url) or r.url.startswith("data:") for r in asked), [r.url for r in asked if not r.url.startswith(url)])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--browser", required=True)
    parser.add_argument("--url", required=True)
    parser.add_argument("--pictures")
    arguments = parser.parse_args()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.browser, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme="light").new_page()
        run(page, arguments.url, arguments.pictures)
        browser.close()
    sys.exit(failed)


main()
