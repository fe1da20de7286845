package io.mla4j.cli;

import io.mla4j.Mla4jException;
import io.mla4j.model.Cancellation;
import io.mla4j.text.Chat;
import io.mla4j.text.ChatMessage;
import io.mla4j.text.ChatTemplate;
import io.mla4j.text.Generation;
import io.mla4j.text.GenerationOptions;
import io.mla4j.text.Model;
import io.mla4j.text.SamplingOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;

/**
 * {@code mla4j chat}: a conversation in the terminal. From a pipe each line is a message, and the
 * answers go to stdout.
 */
final class ChatCommand extends StreamCommand {
  private static final int CONTEXT = 8192;

  private final ModelOptions options = new ModelOptions();
  private final TemplateArguments template = new TemplateArguments(this);
  private final SamplingArguments sampling = new SamplingArguments(this, 1024);
  private final CacheArguments cache = new CacheArguments(this);
  private String system;
  private int context = CONTEXT;
  private boolean noHistory;

  @Override
  public void declare(Args args) {
    args.description(
        "Talk with a model: in a terminal, or a message a line from a pipe. /help in the"
            + " conversation tells its commands.");
    options.declare(args);
    args.one("--system TEXT", String.class, v -> system = v, "What the model is told to be.");
    template.declare(args);
    args.one(
        "--context N",
        int.class,
        v -> context = v,
        "Room of the conversation in tokens; default: 8192, or what the model has.");
    sampling.declare(args);
    cache.declare(args);
    args.flag("--no-history", v -> noHistory = v, "Neither read nor keep the lines typed here.");
  }

  @Override
  public void execute() throws IOException {
    SamplingOptions how = sampling.check();
    options.check();
    if (context < 1) {
      throw usage("--context is " + context + ", but must be at least 1");
    }
    cache.check();
    ChatTemplate found = template.find(options.directory());
    try (Model model = options.builder(streams).open();
        Chat chat = model.chat(found, context);
        Dialogue dialogue = dialogue()) {
      chat.options(template.options());
      if (cache.load() != null) {
        chat.load(cache.load());
      }
      if (system != null) {
        chat.system(system);
      }
      dialogue.greet(options.directory() + ": " + model.summary() + "; /help tells the commands");
      for (String message = dialogue.read(); message != null; message = dialogue.read()) {
        if (message.startsWith("/") && !message.startsWith("//")) {
          if (!obey(message.strip(), chat, dialogue)) {
            break;
          }
        } else if (!message.isBlank()) {
          answer(message.startsWith("//") ? message.substring(1) : message, chat, how, dialogue);
        }
      }
      if (cache.save() != null && chat.messages().stream().anyMatch(ChatMessage::isAnswer)) {
        chat.save(cache.save());
      }
    }
  }

  private Dialogue dialogue() throws IOException {
    return PipeDialogue.isTerminal(streams)
        ? TerminalDialogue.open(streams, noHistory)
        : new PipeDialogue(streams);
  }

  private void answer(String message, Chat chat, SamplingOptions how, Dialogue dialogue) {
    Cancellation cancellation = new Cancellation();
    GenerationOptions generation = sampling.until(how, cancellation);
    try {
      Generation answer =
          dialogue.whileAnswering(
              cancellation,
              () ->
                  chat.say(
                      ChatMessage.user(message),
                      generation,
                      piece -> {
                        out().print(piece);
                        endResults();
                      }));
      out().println();
      endResults();
      dialogue.note(
          String.format(
              Locale.ROOT,
              "%d prompt tokens, %d generated (%.1f/s), ended by %s%s",
              answer.promptTokens(),
              answer.ids().length,
              answer.generatedTokensPerSecond(),
              answer.finishReason().name().toLowerCase(Locale.ROOT),
              sampling.told(answer)));
    } catch (Mla4jException e) {
      dialogue.fail(e);
    }
  }

  /** Carries out a command of the conversation; false where it ends it. */
  private boolean obey(String line, Chat chat, Dialogue dialogue) throws IOException {
    int space = line.indexOf(' ');
    String name = space < 0 ? line : line.substring(0, space);
    String argument = space < 0 ? "" : line.substring(space).strip();
    switch (name) {
      case "/help" -> dialogue.say(HELP);
      case "/reset" -> {
        chat.reset();
        dialogue.say("The conversation begins anew.");
      }
      case "/system" -> {
        if (!argument.isEmpty()) {
          chat.system(argument);
        }
        dialogue.say(
            chat.messages().stream()
                .filter(message -> message.role().equals("system"))
                .map(ChatMessage::content)
                .findFirst()
                .orElse("The model was not told anything."));
      }
      case "/save" -> save(argument, chat, dialogue);
      case "/quit", "/exit" -> {
        return false;
      }
      default ->
          dialogue.say(
              name + " is no command, see /help; a message that begins with / is written with //");
    }
    return true;
  }

  private static final String HELP =
      """
      /reset         forget the conversation, but for what the model was told to be
      /system TEXT   tell the model what to be; without a text: what it was told
      /save FILE     write the messages as JSON
      /help          this
      /quit          end, as Ctrl-D does
      Ctrl-C stops an answer. A line that ends in \\, or that begins with \"\"\", goes on in the next; \
      so does Alt-Enter.\
      """;

  /** Writes a new file: what is there already stays. */
  private static void save(String name, Chat chat, Dialogue dialogue) throws IOException {
    if (name.isEmpty()) {
      dialogue.say("/save needs the name of a file");
      return;
    }
    try {
      Files.writeString(
          Path.of(name),
          JsonPrinter.text(
              out -> {
                out.writeStartArray();
                for (ChatMessage message : chat.messages()) {
                  out.writeStartObject();
                  out.writeStringField("role", message.role());
                  out.writeStringField("content", message.content());
                  out.writeEndObject();
                }
                out.writeEndArray();
              }),
          StandardOpenOption.CREATE_NEW,
          StandardOpenOption.WRITE);
      dialogue.say(chat.messages().size() + " messages are in " + name);
    } catch (IOException e) {
      dialogue.say(
          name
              + " was not written: "
              + (e instanceof java.nio.file.FileAlreadyExistsException
                  ? "there is such a file"
                  : e.getMessage()));
    }
  }
}
