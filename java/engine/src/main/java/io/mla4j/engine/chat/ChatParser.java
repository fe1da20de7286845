package io.mla4j.engine.chat;

import io.mla4j.engine.chat.Markers.Found;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Makes reasoning, content and tool calls of a text that comes piece by piece; it does not matter
 * where it was cut. What may be the beginning of a marker waits for what follows it. A tool call
 * whose arguments stand in it as a JSON object is told from the object's beginning on, as it is
 * written; another once it is complete. What is no such beginning and no whole call is content, as
 * it was written.
 *
 * <p>Belongs to one thread.
 */
public final class ChatParser {
  private static final String BLANK = " \t\r\n";

  private final @Nullable ReasoningFormat reasoningFormat;
  private final @Nullable CallFormat calls;
  private final List<Tool> tools;
  private final int mostCalls;

  /** What is looked for in content: where calls begin, and special tokens, which are left out. */
  private final Markers inContent;

  private final Markers inReasoning;
  private final Markers inSection;

  /** What is looked for in a call whose arguments are told: where it ends. */
  private final Markers inCall;

  private final String callIds;

  private Place place;

  /** What waits. */
  private final StringBuilder waiting = new StringBuilder();

  /** White space that belongs to the content or reasoning if more of it follows. */
  private final StringBuilder blanks = new StringBuilder();

  private final StringBuilder content = new StringBuilder();
  private final StringBuilder reasoning = new StringBuilder();
  private final List<ToolCall> toolCalls = new ArrayList<>();

  /** Within a call: where the next end of one may be in {@link #waiting}. */
  private int searched;

  /** The call whose arguments are told; null where none is. */
  private @Nullable Told told;

  private final StringBuilder arguments = new StringBuilder();

  private List<ChatDelta> deltas = new ArrayList<>();

  /** How a call began, and where its arguments end. */
  private record Told(CallBody.Head head, ObjectText object) {}

  private enum Place {
    /** Nothing but white space was there, and reasoning may follow. */
    START,
    REASONING,
    /** Content, of which only white space was there, that follows reasoning. */
    BEHIND_REASONING,
    /** Content that follows tool calls, of which only white space was there. */
    BEHIND_CALLS,
    CONTENT,
    SECTION,
    CALL,
    /** In the arguments of a call, which are told as they come. */
    ARGUMENTS,
    /** Between them and the end of the call: nothing there counts. */
    BEHIND_ARGUMENTS
  }

  /**
   * What a parser looks for.
   *
   * @param reasoning null for none
   * @param calls null for none
   * @param tools those that may be called
   * @param mostCalls those behind are left out
   * @param special texts of special tokens, which are no content
   */
  record Formats(
      @Nullable ReasoningFormat reasoning,
      @Nullable CallFormat calls,
      List<Tool> tools,
      int mostCalls,
      Collection<String> special) {}

  ChatParser(Formats formats, String prompt, String callIds) {
    reasoningFormat = formats.reasoning();
    calls = formats.calls();
    tools = formats.tools();
    mostCalls = formats.mostCalls();
    this.callIds = callIds;
    List<String> texts = new ArrayList<>(formats.special());
    List<String> withinReasoning = new ArrayList<>(texts);
    if (reasoningFormat != null) {
      withinReasoning.add(reasoningFormat.close());
    }
    if (calls != null && calls.sectionOpen() != null) {
      withinReasoning.add(calls.sectionOpen());
    }
    inReasoning = new Markers(withinReasoning);
    if (calls != null) {
      texts.add(calls.open());
      texts.add(calls.callOpen());
    }
    inContent = new Markers(texts);
    inSection =
        new Markers(
            calls == null || calls.sectionClose() == null
                ? List.of()
                : List.of(calls.callOpen(), calls.sectionClose()));
    inCall =
        new Markers(
            calls == null
                ? List.of()
                : Stream.of(calls.callOpen(), calls.callClose(), calls.sectionClose())
                    .filter(Objects::nonNull)
                    .toList());
    place =
        reasoningFormat == null || reasoningFormat.isClosedBehind(prompt)
            ? Place.CONTENT
            : reasoningFormat.isOpenBehind(prompt) ? Place.REASONING : Place.START;
  }

  /**
   * Takes the next piece of the text, special tokens included.
   *
   * @return what is certain now, often nothing
   */
  public List<ChatDelta> next(String text) {
    waiting.append(text);
    return run(false);
  }

  /** Gives what still waited; nothing may follow. */
  public List<ChatDelta> finish() {
    List<ChatDelta> last = run(true);
    if (place == Place.CONTENT && !blanks.isEmpty()) {
      // It was held back for a call that did not come.
      last = new ArrayList<>(last);
      last.add(new ChatDelta.Content(blanks.toString()));
      content.append(blanks);
      blanks.setLength(0);
    }
    return last;
  }

  /** All of the answer so far. */
  public Message message() {
    boolean onlyCalls = content.isEmpty() && !toolCalls.isEmpty();
    return new Message(
        Role.ASSISTANT,
        onlyCalls ? null : content.toString(),
        reasoning.isEmpty() ? null : reasoning.toString(),
        toolCalls,
        null,
        null);
  }

  private List<ChatDelta> run(boolean atEnd) {
    deltas = new ArrayList<>();
    while (step(atEnd)) {}
    return deltas;
  }

  /** Whether there may be more to do. */
  private boolean step(boolean atEnd) {
    return switch (place) {
      case START -> start(atEnd);
      case REASONING -> reason(atEnd);
      case BEHIND_REASONING, BEHIND_CALLS, CONTENT -> content(atEnd);
      case SECTION -> section(atEnd);
      case CALL -> call(atEnd);
      case ARGUMENTS -> arguments(atEnd);
      case BEHIND_ARGUMENTS -> behindArguments(atEnd);
    };
  }

  /** In reasoning, or where it may begin. */
  private ReasoningFormat reasoningFormat() {
    return Objects.requireNonNull(reasoningFormat, "there is no reasoning");
  }

  /** In calls. */
  private CallFormat calls() {
    return Objects.requireNonNull(calls, "there are no calls");
  }

  private boolean start(boolean atEnd) {
    int from = 0;
    while (from < waiting.length() && BLANK.indexOf(waiting.charAt(from)) >= 0) {
      from++;
    }
    String open = reasoningFormat().open();
    String rest = waiting.substring(from);
    if (rest.startsWith(open)) {
      waiting.delete(0, from + open.length());
      place = Place.REASONING;
      return true;
    }
    if (!atEnd && open.startsWith(rest)) {
      return false;
    }
    place = Place.CONTENT;
    return true;
  }

  private boolean reason(boolean atEnd) {
    Found found = inReasoning.find(waiting, atEnd);
    addReasoning(waiting.substring(0, found.from()));
    String marker = waiting.substring(found.from(), found.from() + found.length());
    waiting.delete(0, found.from() + found.length());
    if (marker.equals(reasoningFormat().close())) {
      blanks.setLength(0);
      place = Place.BEHIND_REASONING;
    } else if (calls != null && marker.equals(calls.sectionOpen())) {
      // Models that call tools sometimes forget to end their reasoning.
      blanks.setLength(0);
      place = Place.SECTION;
    }
    return found.length() > 0;
  }

  private boolean content(boolean atEnd) {
    Found found = inContent.find(waiting, atEnd);
    addContent(waiting.substring(0, found.from()));
    if (found.length() == 0) {
      waiting.delete(0, found.from());
      return false;
    }
    String marker = waiting.substring(found.from(), found.from() + found.length());
    waiting.delete(0, found.from() + found.length());
    if (calls != null && (marker.equals(calls.open()) || marker.equals(calls.callOpen()))) {
      place = marker.equals(calls.callOpen()) ? Place.CALL : Place.SECTION;
      searched = 0;
    }
    return true;
  }

  /** Between the calls of a section. */
  private boolean section(boolean atEnd) {
    int from = 0;
    while (from < waiting.length() && BLANK.indexOf(waiting.charAt(from)) >= 0) {
      from++;
    }
    Found found = inSection.find(waiting, atEnd);
    if (found.length() > 0 && found.from() == from) {
      boolean isCall = waiting.indexOf(calls().callOpen(), from) == from;
      waiting.delete(0, from + found.length());
      place = isCall ? Place.CALL : behindCalls();
      searched = 0;
      return true;
    }
    if (found.from() == from && !atEnd) {
      return false;
    }
    // It is no section.
    place = behindCalls();
    return true;
  }

  /** Where content goes on; white space before the calls is dropped. */
  private Place behindCalls() {
    blanks.setLength(0);
    return content.isEmpty() ? Place.BEHIND_REASONING : Place.BEHIND_CALLS;
  }

  private Place behindCall() {
    return calls().sectionOpen() == null ? behindCalls() : Place.SECTION;
  }

  private boolean call(boolean atEnd) {
    CallFormat calls = calls();
    String close = calls.callClose() == null ? calls.callOpen() : calls.callClose();
    int end = waiting.indexOf(close, searched);
    Optional<CallBody.Head> begun = calls.body().head(waiting);
    if (begun.isPresent() && (end < 0 || begun.get().arguments() <= end)) {
      begin(begun.get());
      return true;
    }
    if (end < 0 && !atEnd) {
      searched = Math.max(searched, waiting.length() - close.length() + 1);
      return false;
    }
    String body = waiting.substring(0, end < 0 ? waiting.length() : end);
    List<CallBody.Call> found = calls.body().parse(body, tools);
    if (found.isEmpty() && end >= 0) {
      int another = body.indexOf(calls.callOpen());
      if (another < 0 && calls.callClose() != null) {
        // The end may be one within a text; if it is not, the next piece tells.
        searched = end + close.length();
        return true;
      }
      int length = another < 0 ? end : another;
      addContent(calls.callOpen() + body.substring(0, length));
      waiting.delete(0, length);
      place = Place.CONTENT;
      return true;
    }
    boolean hasClose = end >= 0 && calls.callClose() != null;
    waiting.delete(0, end < 0 ? waiting.length() : hasClose ? end + close.length() : end);
    if (found.isEmpty()) {
      addContent(calls.callOpen() + body);
      place = Place.CONTENT;
      return false;
    }
    blanks.setLength(0);
    found.forEach(this::add);
    place = behindCall();
    return true;
  }

  private void begin(CallBody.Head call) {
    waiting.delete(0, call.arguments());
    blanks.setLength(0);
    told = new Told(call, new ObjectText(inCall));
    place = Place.ARGUMENTS;
    start(call.id(), call.name());
  }

  private boolean arguments(boolean atEnd) {
    Told call = Objects.requireNonNull(told, "no call has begun");
    int length = call.object.take(waiting, atEnd);
    String more = waiting.substring(0, length);
    waiting.delete(0, length);
    arguments.append(more);
    if (!more.isEmpty()) {
      tell(more);
    }
    if (!call.object.isEnded() && !atEnd) {
      return false;
    }
    end(call.head.id(), call.head.name(), arguments.toString());
    arguments.setLength(0);
    place = calls().callClose() == null ? behindCall() : Place.BEHIND_ARGUMENTS;
    return true;
  }

  private boolean behindArguments(boolean atEnd) {
    Found found = inCall.find(waiting, atEnd);
    waiting.delete(0, found.from());
    if (found.length() == 0) {
      return false;
    }
    if (waiting.substring(0, found.length()).equals(calls().callClose())) {
      waiting.delete(0, found.length());
    }
    place = behindCall();
    return true;
  }

  private void add(CallBody.Call call) {
    start(null, call.name());
    tell(call.arguments());
    end(null, call.name(), call.arguments());
  }

  /** The id of the next call. */
  private String id(@Nullable String written) {
    return written == null ? callIds + toolCalls.size() : written;
  }

  private void start(@Nullable String id, String name) {
    if (toolCalls.size() < mostCalls) {
      deltas.add(new ChatDelta.CallStart(toolCalls.size(), id(id), name));
    }
  }

  private void tell(String more) {
    if (toolCalls.size() < mostCalls) {
      deltas.add(new ChatDelta.CallArguments(toolCalls.size(), more));
    }
  }

  private void end(@Nullable String id, String name, String all) {
    if (toolCalls.size() < mostCalls) {
      toolCalls.add(new ToolCall(id(id), name, all));
    }
  }

  private void addReasoning(String text) {
    String certain = certain(text, reasoning.isEmpty());
    if (!certain.isEmpty()) {
      reasoning.append(certain);
      deltas.add(new ChatDelta.Reasoning(certain));
    }
  }

  private void addContent(String text) {
    boolean trims = place == Place.BEHIND_REASONING;
    String certain;
    if (trims || calls != null) {
      certain = certain(text, trims);
    } else {
      certain = blanks + text;
      blanks.setLength(0);
    }
    if (!certain.isEmpty()) {
      content.append(certain);
      deltas.add(new ChatDelta.Content(certain));
      place = Place.CONTENT;
    }
  }

  /**
   * What waited of white space, and {@code text} without the white space at its end, which waits.
   *
   * @param drop whether white space at the beginning is dropped
   */
  private String certain(String text, boolean drop) {
    String all = blanks + text;
    int end = all.length();
    while (end > 0 && BLANK.indexOf(all.charAt(end - 1)) >= 0) {
      end--;
    }
    int from = 0;
    while (drop && from < end && BLANK.indexOf(all.charAt(from)) >= 0) {
      from++;
    }
    blanks.setLength(0);
    blanks.append(all, end, all.length());
    return all.substring(from, end);
  }
}
