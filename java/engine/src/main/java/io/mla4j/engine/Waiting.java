package io.mla4j.engine;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Who comes next: texts that were put back, oldest first, then requests, whose tenants take turns.
 * Belongs to the loop.
 */
final class Waiting {
  private final PriorityQueue<Text> putBack =
      new PriorityQueue<>(
          Comparator.<Text>comparingLong(text -> text.ticket.id)
              .thenComparingInt(text -> text.choice));

  /** Tenants that wait, whose turn is next first. */
  private final Map<String, ArrayDeque<Ticket>> tenants = new LinkedHashMap<>();

  void add(Ticket ticket) {
    tenants.computeIfAbsent(ticket.tenant(), _ -> new ArrayDeque<>()).add(ticket);
  }

  void putBack(Text text) {
    putBack.add(text);
  }

  boolean isEmpty() {
    return putBack.isEmpty() && tenants.isEmpty();
  }

  /** The text that was put back and comes next, or null. */
  @Nullable Text firstText() {
    return putBack.peek();
  }

  void removeFirstText() {
    putBack.remove();
  }

  /** The request that comes next, or null. */
  @Nullable Ticket firstTicket() {
    return tenants.isEmpty() ? null : tenants.values().iterator().next().peek();
  }

  /** It begins: its tenant's next one comes after those of the others. */
  void removeFirstTicket() {
    Iterator<Map.Entry<String, ArrayDeque<Ticket>>> first = tenants.entrySet().iterator();
    Map.Entry<String, ArrayDeque<Ticket>> tenant = first.next();
    String name = tenant.getKey();
    ArrayDeque<Ticket> tickets = tenant.getValue();
    tickets.remove();
    first.remove();
    if (!tickets.isEmpty()) {
      tenants.put(name, tickets);
    }
  }

  /** Takes away the requests for which {@code gone} holds. */
  List<Ticket> removeTickets(Predicate<Ticket> gone) {
    List<Ticket> removed = new ArrayList<>();
    Iterator<ArrayDeque<Ticket>> all = tenants.values().iterator();
    while (all.hasNext()) {
      ArrayDeque<Ticket> tickets = all.next();
      tickets.removeIf(
          ticket -> {
            boolean goes = gone.test(ticket);
            if (goes) {
              removed.add(ticket);
            }
            return goes;
          });
      if (tickets.isEmpty()) {
        all.remove();
      }
    }
    return removed;
  }

  void removeText(Text text) {
    putBack.remove(text);
  }

  Collection<Text> texts() {
    return putBack;
  }

  int count() {
    int count = putBack.size();
    for (ArrayDeque<Ticket> tickets : tenants.values()) {
      count += tickets.size();
    }
    return count;
  }
}
