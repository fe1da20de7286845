package io.mla4j.engine;

import io.mla4j.CacheFullException;
import io.mla4j.ClosedException;
import io.mla4j.Mla4jException;
import io.mla4j.Sequence;
import io.mla4j.engine.EngineModel.Piece;
import io.mla4j.ops.Tensor;
import io.mla4j.text.Sampler;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The engine's thread: takes what has arrived, ends what is to end, lets begin what has room, and
 * runs a step, again and again.
 */
final class Loop implements Runnable {
  private static final System.Logger LOGGER = System.getLogger("io.mla4j.engine");

  private final EngineModel model;
  private final EngineOptions options;
  private final Inbox inbox;
  private final Meters meters;
  private final Pages pages;
  private final Planner planner;
  private final Chooser chooser;
  private final Rereader rereader;
  private final Waiting waiting = new Waiting();

  /** Of all texts, which choose one after the other. */
  private final Sampler.Scratch scratch = new Sampler.Scratch();

  /** Texts that have pages, in the order in which they got them. */
  private final List<Text> running = new ArrayList<>();

  private final List<Ticket> arrived = new ArrayList<>();

  /** What others may look at: the running texts and those that were put back. */
  private volatile Text[] visible = {};

  private volatile int waits;

  /** What waited for pages last. */
  private @Nullable Ticket pressed;

  /** What ended the loop; null where that was a close. */
  private @Nullable Mla4jException broken;

  Loop(EngineModel model, EngineOptions options, Inbox inbox, Meters meters) {
    this.model = model;
    this.options = options;
    this.inbox = inbox;
    this.meters = meters;
    this.pages = new Pages(model, options);
    this.planner = new Planner(pages, options);
    this.rereader = new Rereader(model, pages);
    this.chooser = new Chooser(model, pages.contextTokens(), meters);
  }

  int contextTokens() {
    return pages.contextTokens();
  }

  @Override
  public void run() {
    try {
      while (inbox.take(arrived, isIdle() && rereader.isDone() ? Long.MAX_VALUE : 0)) {
        arrived.forEach(waiting::add);
        arrived.clear();
        sweep(System.nanoTime());
        if (isIdle()) {
          show();
          rereader.step();
          continue;
        }
        rereader.pause();
        admit(System.nanoTime());
        show();
        if (!running.isEmpty()) {
          step();
          show();
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      LOGGER.log(System.Logger.Level.ERROR, "the engine's loop failed and ends", e);
      broken = Chooser.explained(e);
    } finally {
      inbox.close();
      arrived.forEach(waiting::add);
      endAll();
      show();
      rereader.close();
      pages.close();
    }
  }

  private boolean isIdle() {
    return running.isEmpty() && waiting.isEmpty();
  }

  private void show() {
    List<Text> all = new ArrayList<>(running);
    all.addAll(waiting.texts());
    visible = all.toArray(Text[]::new);
    waits = waiting.count();
  }

  /** Ends what was cancelled or is late. */
  private void sweep(long now) {
    for (Ticket ticket :
        waiting.removeTickets(each -> each.answer.isCancelled() || each.isLate(now))) {
      endUnborn(ticket, ended(ticket));
      inbox.ended(ticket);
    }
    for (Text text : List.copyOf(running)) {
      sweep(text, now);
    }
    for (Text text : List.copyOf(waiting.texts())) {
      sweep(text, now);
    }
  }

  private void sweep(Text text, long now) {
    if (text.ticket.answer.isCancelled() || text.ticket.isLate(now)) {
      end(text, ended(text.ticket));
    }
  }

  private static FinishReason ended(Ticket ticket) {
    return ticket.answer.isCancelled() ? FinishReason.CANCELLED : FinishReason.DEADLINE;
  }

  /** Gives pages to those that come next, as long as there is room. */
  private void admit(long now) {
    while (running.size() < options.parallel()) {
      Text text = waiting.firstText();
      if (text != null) {
        if (!pages.admit(text, running)) {
          return;
        }
        waiting.removeFirstText();
        begin(text);
        continue;
      }
      Ticket ticket = waiting.firstTicket();
      if (ticket == null || !admit(ticket, now)) {
        return;
      }
    }
  }

  private boolean admit(Ticket ticket, long now) {
    Text text;
    try {
      text = ticket.next(model, scratch, ticket.request::constraint);
      if (!pages.admit(text, running)) {
        press(text);
        return false;
      }
    } catch (RuntimeException | Error e) {
      waiting.removeFirstTicket();
      failUnborn(ticket, Chooser.explained(e));
      close(ticket);
      return true;
    }
    waiting.removeFirstTicket();
    ticket.begin(text);
    ticket.started = true;
    inbox.started();
    text.cachedTokens = text.place().length();
    text.prefill = Recorded.prefill();
    meters.queued.add(now - ticket.submitted);
    Meters.add(meters.lookups, 1);
    Meters.add(meters.hits, text.cachedTokens > 0 ? 1 : 0);
    Meters.add(meters.promptTokens, text.promptTokens);
    Meters.add(meters.cachedTokens, text.cachedTokens);
    begin(text);
    return true;
  }

  /** It waits for pages, which is told once. */
  private void press(Text text) {
    if (text.ticket != pressed) {
      pressed = text.ticket;
      Recorded.CachePressure event = Recorded.pressure();
      if (event != null) {
        event.of(text, false, pages);
      }
    }
  }

  private void begin(Text text) {
    text.state = Running.State.PREFILL;
    running.add(text);
  }

  private void step() {
    List<Planner.Work> works = planner.plan(running);
    while (true) {
      try {
        run(works);
        return;
      } catch (CacheFullException e) {
        if (works.stream().anyMatch(work -> work.guesses() > 0)) {
          works = Planner.plain(works);
          continue;
        }
        Text youngest = running.stream().reduce((a, b) -> b.isYoungerThan(a) ? b : a).orElseThrow();
        if (running.size() == 1) {
          fail(youngest, e);
          return;
        }
        putBack(youngest);
        works.removeIf(work -> work.text() == youngest);
        if (works.isEmpty()) {
          return;
        }
      } catch (RuntimeException | Error e) {
        if (inbox.isClosed()) {
          return;
        }
        Mla4jException told = Chooser.explained(e);
        works.forEach(work -> fail(work.text(), told));
        return;
      }
    }
  }

  private void putBack(Text text) {
    Meters.add(meters.putBack, 1);
    Recorded.CachePressure event = Recorded.pressure();
    if (event != null) {
      event.of(text, true, pages);
    }
    running.remove(text);
    text.place().close();
    text.sequence = null;
    text.state = Running.State.WAITING;
    waiting.putBack(text);
  }

  private void run(List<Planner.Work> works) {
    Recorded.DecodeStep event = Recorded.step();
    long start = System.nanoTime();
    List<Piece> pieces = new ArrayList<>(works.size());
    works.forEach(work -> pieces.add(work.piece()));
    Rows rows = new Rows(works);
    model.step(pieces, rows::accept);
    Meters.add(meters.steps, 1);
    planner.ran(works, rows.right, System.nanoTime() - start, event);
    for (Planner.Work work : works) {
      Meters.add(meters.guessedTokens, work.guesses());
      Text text = work.text();
      if (text.sequence != null) {
        if (work.guesses() > 0) {
          text.place().truncate(text.count - 1);
        }
        planner.settle(text);
      }
    }
    Meters.add(meters.acceptedTokens, rows.right);
  }

  /** Takes the rows of a step in the order of its pieces. */
  private final class Rows {
    private final List<Planner.Work> works;
    private int at;
    private int before;

    /** Guesses that the model chose too. */
    private int right;

    Rows(List<Planner.Work> works) {
      this.works = works;
    }

    void accept(int row, Tensor logits) {
      while (row - before >= rows(works.get(at).piece())) {
        before += rows(works.get(at++).piece());
      }
      Planner.Work work = works.get(at);
      Text text = work.text();
      int of = row - before;
      int next = work.piece().to() - rows(work.piece()) + of + 1;
      if (next == text.count
          && text.sequence != null
          && (work.guesses() == 0 || isRight(text, of))) {
        Loop.this.accept(text, logits);
      }
    }

    /** Whether row {@code of} of a text and its guesses is behind tokens that were chosen. */
    private boolean isRight(Text text, int of) {
      boolean is = of == 0 || text.guesses.check(of - 1, text.ids[text.count - 1]);
      right += of > 0 && is ? 1 : 0;
      return is;
    }

    private int rows(Piece piece) {
      return switch (piece.wanted()) {
        case NONE -> 0;
        case LAST -> 1;
        case ALL, EACH -> piece.count();
      };
    }
  }

  /** What follows a text is there. */
  private void accept(Text text, Tensor logits) {
    List<Text> born = new ArrayList<>();
    born.add(text);
    try {
      if (text.ticket.hasUnborn()) {
        fork(text, born);
      }
    } catch (RuntimeException | Error e) {
      fail(text, Chooser.explained(e));
      return;
    }
    long now = System.nanoTime();
    for (Text each : born) {
      try {
        FinishReason reason = chooser.choose(each, logits, now);
        if (reason != null) {
          end(each, reason);
        }
      } catch (ClosedException e) {
        if (!inbox.isClosed()) {
          fail(each, e);
        }
      } catch (RuntimeException | Error e) {
        fail(each, Chooser.explained(e));
      }
    }
  }

  /** The prompt is read: the other texts of the request begin. */
  private void fork(Text text, List<Text> born) {
    while (text.ticket.hasUnborn()) {
      Text other =
          text.ticket.next(
              model, scratch, () -> text.constraint == null ? null : text.constraint.fork());
      other.cachedTokens = text.cachedTokens;
      boolean runs = running.size() < options.parallel();
      Sequence sequence = runs ? text.place().fork() : null;
      text.ticket.begin(other);
      if (runs) {
        other.sequence = sequence;
        other.state = Running.State.DECODE;
        running.add(other);
      } else {
        waiting.putBack(other);
      }
      born.add(other);
    }
  }

  private void end(Text text, FinishReason reason) {
    meters.finished(reason);
    if (text.ticket.request.conversation()
        && reason != FinishReason.CANCELLED
        && reason != FinishReason.DEADLINE) {
      rereader.add(text);
    }
    leave(text, new Event.Finished(text.choice, reason, text.writer.stopText(), text.usage()));
    endUnborn(text.ticket, reason);
    close(text.ticket);
  }

  private void fail(Text text, Mla4jException error) {
    Meters.add(meters.failed, 1);
    leave(text, new Event.Failed(text.choice, error));
    failUnborn(text.ticket, error);
    close(text.ticket);
  }

  private void failUnborn(Ticket ticket, Mla4jException error) {
    while (ticket.hasUnborn()) {
      Meters.add(meters.failed, 1);
      ticket.answer.add(new Event.Failed(ticket.skip(), error));
    }
  }

  private void leave(Text text, Event event) {
    running.remove(text);
    waiting.removeText(text);
    Sequence sequence = text.sequence;
    text.sequence = null;
    if (sequence != null) {
      sequence.close();
    }
    text.ticket.texts.remove(text);
    meters.whole.add(System.nanoTime() - text.ticket.submitted);
    text.ticket.answer.add(event);
  }

  /** The texts that would have begun when the prompt was read. */
  private void endUnborn(Ticket ticket, FinishReason reason) {
    while (ticket.hasUnborn()) {
      meters.finished(reason);
      Usage usage = new Usage(ticket.prompt.length, 0, 0);
      ticket.answer.add(new Event.Finished(ticket.skip(), reason, null, usage));
    }
  }

  private void close(Ticket ticket) {
    if (ticket.texts.isEmpty()) {
      inbox.ended(ticket);
    }
  }

  private void endAll() {
    for (Ticket ticket : waiting.removeTickets(_ -> true)) {
      if (broken == null) {
        endUnborn(ticket, FinishReason.CANCELLED);
      } else {
        failUnborn(ticket, broken);
      }
      inbox.ended(ticket);
    }
    List<Text> begun = new ArrayList<>(running);
    begun.addAll(waiting.texts());
    for (Text text : begun) {
      if (broken == null) {
        end(text, FinishReason.CANCELLED);
      } else {
        fail(text, broken);
      }
    }
  }

  Statistics statistics() {
    int active = 0;
    for (Text text : visible) {
      active += text.state == Running.State.WAITING ? 0 : 1;
    }
    return new Statistics(
        new Statistics.Load(active, waits + inbox.arrived()),
        pages.statistics(meters),
        meters.counts(inbox.taken()),
        meters.latencies());
  }

  List<Running> running() {
    long now = System.nanoTime();
    List<Running> all = new ArrayList<>();
    for (Text text : visible) {
      all.add(
          new Running(
              text.ticket.id,
              text.choice,
              text.ticket.tenant(),
              text.state,
              text.usage(),
              Duration.ofNanos(now - text.ticket.submitted)));
    }
    all.sort(Comparator.comparingLong(Running::request).thenComparingInt(Running::choice));
    return all;
  }
}
