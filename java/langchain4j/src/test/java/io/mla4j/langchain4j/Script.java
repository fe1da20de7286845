package io.mla4j.langchain4j;

import java.util.List;

/** What a model would say in LangChain4j's tests of models, tools and structured answers. */
final class Script {
  /** The answer to what contains {@code user}, once so many tools have answered. */
  private record Line(String user, int results, String answer) {}

  private static final String TWO =
      "[{\"name\": \"Klaus\", \"age\": 37, \"height\": 1.78, \"married\": false},"
          + " {\"name\": \"Franny\", \"age\": 35, \"height\": 1.65, \"married\": true}]";
  private static final String PETS =
      "{\"name\": \"Klaus\", \"pets\": [{\"name\": \"Peanut\"}, {\"name\": \"Muffin\"}]}";
  private static final String DATE = "{\"year\": 1976, \"month\": 8, \"day\": 12}";
  private static final String TIME = "{\"hour\": 14, \"minute\": 43, \"second\": 0, \"nano\": 0}";

  /** The first one that fits is said, where a constraint allows it. */
  private static final List<Line> LINES =
      List.of(
          // models
          line("Answer with a JSON object containing", 0, "{\"city\": \"Berlin\"}"),
          line("capital of Germany", 0, "The capital of Germany is Berlin, and 2 + 2 is 4."),
          line("capital of Germany", 0, "{\"city\":\"Berlin\"}"),
          line("Translate: 'I love you'", 0, "Ich liebe dich"),
          line("What is my favorite color?", 0, "It is green."),
          line("Say 'Hello World'", 0, "Hello World, it is nice to meet you"),
          line("Tell me a long story", 0, "Once there was a fox. ".repeat(200)),
          line("hello", 0, "Hello, how can I help you?"),
          line(
              "weather in Munich and time in France",
              0,
              call("getWeather", "{\"city\": \"Munich\"}")
                  + call("getTime", "{\"country\": \"France\"}")),
          line("weather in Munich and time in France", 2, "It is sunny, and it is 14:35 there."),
          line("I live in Munich", 0, call("getWeather", "{\"city\": \"Munich\"}")),
          line("What is the time now? Use", 0, call("get_current_time", "{}")),
          line("What is the time now? Use", 1, "It is 10:14."),
          // services
          line(
              "weather in Munich? Use 'getWeather' tool",
              0,
              call("getWeather", "{\"arg0\": \"Munich\"}")),
          line(
              "weather in Munich? Use 'getWeather' tool",
              1,
              "{\"city\": \"Munich\", \"weather\": \"SUNNY\"}"),
          line("weather in Munich", 1, "{\"weather\": \"sunny\"}"),
          line("weather in Munich", 0, call("getWeather", "{\"city\": \"Munich\"}")),
          line("What is the date today?", 0, call("currentDate", "{}")),
          line("What is the date today?", 1, "It is the day after yesterday."),
          // tools
          line(
              "How much is 73 plus 78?",
              0,
              call("add", "{\"arg0\": 37, \"arg1\": 87}")
                  + call("add", "{\"arg0\": 73, \"arg1\": 78}")),
          line("How much is 73 plus 78?", 2, "37 + 87 = 124 and 73 + 78 = 151"),
          line("How much is 37 plus 87?", 0, call("add", "{\"arg0\": 37, \"arg1\": 87}")),
          line("How much is 37 plus 87?", 1, "37 + 87 = 124"),
          line("How much is 30 plus 12?", 0, call("add", "{\"a\": 30, \"b\": 12}")),
          line("How much is 30 plus 12?", 1, "It is 42."),
          line("Now add 47", 0, call("add", "{\"arg0\": 124, \"arg1\": 47}")),
          line("First add 2 and 3", 0, call("add", "{\"arg0\": 2, \"arg1\": 3}")),
          line("First add 2 and 3", 1, call("multiply", "{\"arg0\": 5, \"arg1\": 4}")),
          line("First add 2 and 3", 2, "It is 20."),
          line("Klaus is 37 years old, 1.78m height and single", 1, "Done."),
          line(
              "process the following: Klaus is 37",
              0,
              call(
                  "process",
                  "{\"arg0\": {\"name\": \"Klaus\", \"age\": 37, \"height\": 1.78,"
                      + " \"married\": false}}")),
          line(
              "Klaus lives in Langley Falls",
              0,
              call(
                  "process",
                  "{\"arg0\": {\"name\": \"Klaus\", \"address\": {\"city\":"
                      + " \"Langley Falls\"}}}")),
          line(
              "process the following: Francine has 2 children",
              0,
              call("process", "{\"arg0\": " + francine() + "}")),
          line("Respond in HH:MM:SS format", 0, call("currentTime", "{}")),
          line("Respond in HH:MM:SS format", 1, "It is 17:11:45."),
          line(
              "current temperature in Munich in celsius",
              0,
              call("currentTemperature", "{\"arg0\": \"Munich\", \"arg1\": \"CELSIUS\"}")),
          line("current temperature in Munich in celsius", 1, "It is 19 degrees."),
          line(
              "Klaus is 42 years old and Francine is 47",
              0,
              call("process", "{\"arg0\": {\"Klaus\": 42, \"Francine\": 47}}")),
          line(
              "following names: Klaus and Franny",
              0,
              call("processNames", "{\"arg0\": [\"Klaus\", \"Franny\"]}")),
          line(
              "following colors: RED and GREEN",
              0,
              call("process", "{\"arg0\": [\"RED\", \"GREEN\"]}")),
          line("following integers: 37, 73", 0, call("processNumbers", "{\"arg0\": [37, 73]}")),
          line(
              "following people: Klaus and Franny",
              0,
              call("process", "{\"arg0\": [{\"name\": \"Klaus\"}, {\"name\": \"Franny\"}]}")),
          line(
              "username with ID",
              0,
              call("getUsernameFromId", "{\"arg0\": \"62dbcc27-aaf3-449a-b12d-5a904271a57f\"}")),
          line("username with ID", 1, "It is Alice."),
          line("Take a photo", 0, call("takePhoto", "{}")),
          line("Call tool 'modify'", 0, call("modify", "{\"arg0\": 7}")),
          line("", 1, "Done."),
          // JSON of schemas
          line("Extract number of people", 0, "{\"value\": 2}"),
          line("is a man:", 0, "{\"value\": true}"),
          line("Extract temperature in Munich", 0, "{\"value\": -0.5}"),
          line("Extract names of people", 0, "{\"values\": [\"Klaus\", \"Franny\"]}"),
          line("Staniel", 0, "{\"values\": [\"SINGLE\", \"MARRIED\", \"MARRIED\"]}"),
          line("1.65m height", 0, "{\"values\": " + TWO + "}"),
          line("Klaus is 37 years old, 1.78m height and single.", 0, "{\"value\": \"SINGLE\"}"),
          line(
              "The weather in Berlin was sunny",
              0,
              "{\"values\": [\"SUNNY\", \"WINDY\", \"RAINY\", \"CLOUDY\"]}"),
          line("Text: 'Klaus'", 0, "{\"name\": \"Klaus\"}"),
          line(
              "delivery to Langley Falls",
              0,
              "{\"name\": \"Klaus\", \"shippingAddress\": {\"city\": \"Langley Falls\"},"
                  + " \"billingAddress\": {\"city\": \"New York\"}}"),
          line(
              "text: Klaus is 37 years old, 1.78m height",
              0,
              "{\"name\": \"Klaus\", \"age\": 37, \"height\": 1.78, \"married\": false}"),
          line("Klaus is single", 0, "{\"name\": \"Klaus\", \"maritalStatus\": \"SINGLE\"}"),
          line(
              "Klaus likes orange and green",
              0,
              "{\"name\": \"Klaus\", \"favouriteColors\": [\"orange\", \"green\"]}"),
          line("2 pets: Peanut and Muffin", 0, PETS),
          line("groups A and C", 0, "{\"name\": \"Klaus\", \"groups\": [\"A\", \"C\"]}"),
          line(
              "born at 14:43",
              0,
              "{\"name\": \"Klaus\", \"birthDate\": "
                  + DATE
                  + ", \"birthTime\": "
                  + TIME
                  + ", \"birthDateTime\": {\"date\": "
                  + DATE
                  + ", \"time\": "
                  + TIME
                  + "}}"),
          line(
              "text: Klaus and Francine",
              0,
              "{\"values\": [{\"name\": \"Klaus\"}, {\"name\": \"Francine\"}]}"),
          line("Francine has 2 children", 0, francine()),
          line(
              "identified by the following ID",
              0,
              "{\"id\": \"567b229a-6b0a-4f1e-9006-448cd9dfbfda\", \"name\": \"Klaus\"}"),
          line("text: Klaus", 0, "{\"name\": \"Klaus\"}"),
          line(
              "Whiskers",
              0,
              "{\"values\": [{\"type\": \"Dog\", \"name\": \"Rex\", \"breed\": \"Labrador\"},"
                  + " {\"type\": \"Cat\", \"name\": \"Whiskers\", \"indoor\": true}]}"),
          line(
              "Rex is a Labrador dog",
              0,
              "{\"value\": {\"type\": \"Dog\", \"name\": \"Rex\", \"breed\": \"Labrador\"}}"),
          line(
              "Alice owns a Labrador",
              0,
              "{\"name\": \"Alice\", \"pet\": {\"type\": \"Dog\", \"name\": \"Rex\","
                  + " \"breed\": \"Labrador\"}}"),
          line(
              "1+2+3 as a syntax tree",
              0,
              "{\"value\": " + sum(sum(constant(1), constant(2)), constant(3)) + "}"));

  private Script() {}

  /** What may be said to {@code user}: the lines that fit, in their order. */
  static List<String> answers(String user, int results) {
    return LINES.stream()
        .filter(line -> line.results == results && user.contains(line.user))
        .map(Line::answer)
        .toList();
  }

  private static Line line(String user, int results, String answer) {
    return new Line(user, results, answer);
  }

  private static String call(String name, String arguments) {
    return "<tool_call>\n{\"name\": \""
        + name
        + "\", \"arguments\": "
        + arguments
        + "}\n</tool_call>";
  }

  private static String francine() {
    return "{\"name\": \"Francine\", \"children\": [{\"name\": \"Steve\", \"children\": []},"
        + " {\"name\": \"Hayley\", \"children\": []}]}";
  }

  private static String constant(int value) {
    return "{\"type\": \"Constant\", \"value\": " + value + "}";
  }

  private static String sum(String left, String right) {
    return "{\"type\": \"Addition\", \"left\": " + left + ", \"right\": " + right + "}";
  }
}
