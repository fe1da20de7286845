"""OpenAI's own client for Python asks `mla4j serve`. Arguments: the address of the interface. Prints `ok` lines; fails where one is not."""

import sys

import openai

client = openai.OpenAI(base_url=sys.argv[1], api_key="none")
model = client.models.list().data[0].id


def check(what, holds):
    print(("ok " if holds else "not ok ") + what)
    if not holds:
        sys.exit(1)


messages = [{"role": "user", "content": "In the beginning"}]
whole = client.chat.completions.create(model=model, messages=messages, max_tokens=12, temperature=0)
text = whole.choices[0].message.content
check("a chat completion", len(text) > 10 and whole.usage.completion_tokens == 12)
stream = client.chat.completions.create(
    model=model, messages=messages, max_tokens=12, temperature=0, stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
check("the same in pieces", "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == text)
check("with usage in the last one", chunks[-1].usage.completion_tokens == 12)
both = client.chat.completions.create(model=model, messages=messages, max_tokens=3, n=2, logprobs=True, top_logprobs=2)
check("two answers with logarithms", len(both.choices) == 2 and len(both.choices[1].logprobs.content[2].top_logprobs) == 2)
schema = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"], "additionalProperties": False}
made = client.chat.completions.create(
    model=model,
    messages=messages,
    max_tokens=60,
    response_format={"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}},
)
check("JSON by a schema", made.choices[0].message.content.replace(" ", "").replace("\n", "") in ('{"yes":true}', '{"yes":false}'))
completion = client.completions.create(model=model, prompt="In the beginning", max_tokens=8, temperature=0)
check("a completion", completion.usage.completion_tokens == 8)
response = client.responses.create(model=model, input="In the beginning", max_output_tokens=8)
check("a response", len(response.output_text) > 4 and response.usage.output_tokens == 8)
with client.responses.stream(model=model, input="In the beginning", max_output_tokens=8) as events:
    kinds = [event.type for event in events]
check("a response in events", kinds[0] == "response.created" and kinds[-1] in ("response.completed", "response.incomplete"))
try:
    client.chat.completions.create(model=model, messages=messages, n=0)
    check("a refusal", False)
except openai.BadRequestError as e:
    check("a refusal", e.param == "n")
