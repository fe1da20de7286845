"""Makes the cases that TemplateCasesTest reads: templates, variables, and the text that transformers' Jinja gives, or that it is an error.

make_cases.py small OUT          those of constructs.txt and of the .jinja files beside it
make_cases.py folder DIR OUT     every .jinja of a folder with every conversation; llama.cpp's models/templates, for example
"""

import json
import sys
from datetime import datetime
from pathlib import Path

from transformers.utils.chat_template_utils import _compile_jinja_template

NOW = datetime(2026, 11, 8, 9, 5, 3)
HERE = Path(__file__).resolve().parent

WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The \"weather\" of a place <now> & later", "parameters": {
    "type": "object", "properties": {"place": {"type": "string", "description": "Zürich, 東京 …"}, "days": {"type": "integer", "minimum": 1, "default": 3},
                                     "units": {"type": "string", "enum": ["C", "F"]}}, "required": ["place"]}}}
TIME = {"type": "function", "function": {"name": "get_time", "description": "", "parameters": {"type": "object", "properties": {}}}}


def call(name, arguments, number):
    return {"id": f"functions.{name}:{number}", "type": "function", "function": {"name": name, "arguments": arguments}}


def conversations():
    user = {"role": "user", "content": "Hello, wörld!\n  How're \"you\"?"}
    system = {"role": "system", "content": "You are <b>helpful</b>.\n"}
    reply = {"role": "assistant", "content": "Fine, thanks."}
    thought = {"role": "assistant", "content": "4", "reasoning_content": "2 + 2\nis 4\n"}
    inline = {"role": "assistant", "content": "<think>\nhm\n</think>\n\nYes."}
    asks = {"role": "assistant", "content": "", "tool_calls": [call("get_weather", {"place": "Zürich", "days": 2, "exact": True, "x": None, "f": 0.5, "l": [1, "a"]}, 0)]}
    asks_both = {"role": "assistant", "content": "Let me see.", "reasoning_content": "two calls", "tool_calls": [
        call("get_weather", {"place": "東京"}, 1), call("get_time", {}, 2)]}
    result = {"role": "tool", "name": "get_weather", "tool_call_id": "functions.get_weather:0", "content": "{\"temperature\": 21.5}"}
    other = {"role": "tool", "name": "get_time", "tool_call_id": "functions.get_time:2", "content": "13:05"}
    yield "user", {"messages": [user]}
    yield "system", {"messages": [system, user]}
    yield "turns", {"messages": [system, user, reply, {"role": "user", "content": "And now?"}]}
    yield "reasoning", {"messages": [user, thought, {"role": "user", "content": "Sure?"}, inline, {"role": "user", "content": "Why?"}]}
    yield "thinking", {"messages": [system, user], "thinking": True, "enable_thinking": True}
    yield "not-thinking", {"messages": [user, thought, user], "thinking": False, "enable_thinking": False}
    yield "tools", {"messages": [system, user], "tools": [WEATHER, TIME]}
    yield "calls", {"messages": [system, user, asks, result, {"role": "assistant", "content": "21.5 degrees."}, {"role": "user", "content": "Thanks"}], "tools": [WEATHER, TIME]}
    yield "two-calls", {"messages": [user, asks_both, result, other], "tools": [WEATHER, TIME]}
    yield "closed", {"messages": [system, user, reply], "add_generation_prompt": False}
    yield "last-thought", {"messages": [user, thought], "add_generation_prompt": False}
    yield "parts", {"messages": [{"role": "user", "content": [{"type": "text", "text": "one"}, {"type": "text", "text": " two"}]}]}
    yield "no-user", {"messages": [reply]}


def variables(given):
    return {"tools": None, "documents": None, "add_generation_prompt": True, "bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>",
            "pad_token": "<pad>"} | given


def render(source, values):
    """The text, or None for an error."""
    try:
        return _compile_jinja_template(source).render(**values, strftime_now=NOW.strftime)
    except Exception as e:  # noqa: BLE001: any error of the template is one
        print("  error:", type(e).__name__, str(e)[:100])
        return None


def write(file, cases):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(cases, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    print(file.name, len(cases), sum(c["text"] is None for c in cases), "errors")


def of_folder(folder):
    cases = []
    for file in sorted(folder.glob("*.jinja")):
        source = file.read_text(encoding="utf-8")
        for name, given in conversations():
            values = variables(given)
            if "|safe +" in source and values["tools"]:
                continue  # adds texts to marked ones, which Jinja escapes and mla4j does not: docs/models.md
            cases.append({"name": f"{file.stem}/{name}", "template": source, "variables": values, "text": render(source, values)})
    return cases


def small(out):
    values = variables(dict(conversations())["calls"]) | {"n": 3, "f": 0.1, "s": "a,b  c", "d": {"b": 1, "a": [1, 2.5, None, True, "x'y\""]}, "l": [3, 1, 2], "e": [], "u": "naïve 😀 Ǆ"}
    cases = []
    for number, source in enumerate((HERE / "constructs.txt").read_text(encoding="utf-8").split("\n----\n")):
        text = render(source, values)
        cases.append({"name": f"construct {number}", "template": source, "text": text})
    write(out / "constructs.json", cases)
    (out / "variables.json").write_text(json.dumps(values, ensure_ascii=False) + "\n", encoding="utf-8")
    write(out / "families.json", of_folder(HERE))


if __name__ == "__main__":
    if sys.argv[1] == "small":
        small(Path(sys.argv[2]))
    else:
        write(Path(sys.argv[3]), of_folder(Path(sys.argv[2])))
