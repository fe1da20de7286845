package io.mla4j.bench;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.ObjectName;

/** The compilers of the JVM, which take processors from the threads that are timed. */
final class Compilers {
  static final String DIAGNOSTICS = "com.sun.management:type=DiagnosticCommand";
  static final String QUEUE = "compilerQueue";

  private Compilers() {}

  /** Whether a method is being compiled or waits for it; false where the JVM does not tell. */
  static boolean areBusy() {
    try {
      Object queue =
          ManagementFactory.getPlatformMBeanServer()
              .invoke(new ObjectName(DIAGNOSTICS), QUEUE, new Object[0], new String[0]);
      return lists(String.valueOf(queue));
    } catch (JMException e) {
      return false;
    }
  }

  /** Whether the text of {@code jcmd Compiler.queue} names a method. */
  static boolean lists(String queue) {
    return queue.contains("::");
  }
}
