package dev.halcyon.conformance;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.halcyon.conformance.testing.LosableDevice;
import dev.halcyon.conformance.testing.ScriptedCase;
import dev.halcyon.hal.HalErrorCode;
import dev.halcyon.hal.HalException;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(60)
class SupervisorTest {
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final ScriptedCase GOOD = ScriptedCase.of("test:good", ScriptedCase.pass());

  private final AtomicBoolean cancelled = new AtomicBoolean();
  private final LosableDevice device = new LosableDevice(10);

  private Supervisor supervisor(Duration deadline) {
    return new Supervisor(() -> new Subject(device), deadline, cancelled::get);
  }

  /** Ignores interruption, as a native call does. */
  private static ScriptedCase hanging(CountDownLatch release) {
    return ScriptedCase.doing(
        "test:hang",
        s -> {
          while (true) {
            try {
              release.await(1, TimeUnit.MINUTES);
              return ScriptedCase.pass();
            } catch (InterruptedException e) {
              // a native call does not hear it
            }
          }
        });
  }

  private ScriptedCase losing(int number) {
    return ScriptedCase.doing(
        "test:lose:n=" + number,
        s -> {
          device.lose();
          s.stream().close();
          return ScriptedCase.pass();
        });
  }

  @Test
  void hangingCaseIsAnErrorThatNamesItAndTheRestIsNotRun() {
    CountDownLatch release = new CountDownLatch(1);
    try (Supervisor supervisor = supervisor(SHORT)) {
      assertEquals(Status.PASS, supervisor.run(GOOD).status());
      CaseResult hung = supervisor.run(hanging(release));
      assertEquals(Status.ERROR, hung.status());
      String message = ((Outcome.Fault) hung.outcome()).cause().getMessage();
      assertTrue(message.contains("test:hang did not return"), message);
      assertTrue(
          message.contains("0.3 s; it was at dev.halcyon.conformance.SupervisorTest"), message);
      CaseResult next = supervisor.run(GOOD);
      assertEquals(Status.NOT_RUN, next.status());
      assertTrue(((Outcome.NotRun) next.outcome()).reason().contains("test:hang"));
      assertTrue(supervisor.ended().isPresent());
    } finally {
      release.countDown();
    }
  }

  @Test
  void cancelledRunLeavesTheCaseAtWork() {
    CountDownLatch release = new CountDownLatch(1);
    try (Supervisor supervisor = supervisor(Duration.ofMinutes(5))) {
      cancelled.set(true);
      assertEquals(Status.NOT_RUN, supervisor.run(GOOD).status());
      cancelled.set(false);
    }
    try (Supervisor supervisor = supervisor(Duration.ofMinutes(5))) {
      ScriptedCase both =
          ScriptedCase.doing(
              "test:cancel",
              s -> {
                cancelled.set(true);
                return hanging(release).run(s);
              });
      long begin = System.nanoTime();
      assertEquals(Status.NOT_RUN, supervisor.run(both).status());
      assertTrue(Duration.ofNanos(System.nanoTime() - begin).toSeconds() < 30);
    } finally {
      release.countDown();
    }
  }

  @Test
  void lostDeviceIsOpenedAgain() {
    try (Supervisor supervisor = supervisor(Duration.ofSeconds(20))) {
      CaseResult lost = supervisor.run(losing(0));
      assertEquals(Status.ERROR, lost.status());
      assertTrue(((Outcome.Fault) lost.outcome()).cause().getMessage().contains("off the bus"));
      assertEquals(2, device.opened());
      assertEquals(Status.PASS, supervisor.run(GOOD).status());
      assertTrue(supervisor.ended().isEmpty());
    }
  }

  @Test
  void deviceLostTooOftenEndsTheRun() {
    try (Supervisor supervisor = supervisor(Duration.ofSeconds(20))) {
      for (int i = 0; i <= Supervisor.REOPENINGS; i++) {
        assertTrue(supervisor.ended().isEmpty());
        assertEquals(Status.ERROR, supervisor.run(losing(i)).status());
      }
      assertEquals(Status.NOT_RUN, supervisor.run(GOOD).status());
      assertTrue(supervisor.ended().orElseThrow().contains("lost 4 times"));
    }
  }

  @Test
  void deviceThatIsGoneEndsTheRunWithItsReason() {
    LosableDevice once = new LosableDevice(1);
    try (Supervisor supervisor =
        new Supervisor(() -> new Subject(once), Duration.ofSeconds(20), () -> false)) {
      CaseResult lost =
          supervisor.run(
              ScriptedCase.doing(
                  "test:lose",
                  s -> {
                    once.lose();
                    s.stream().close();
                    return ScriptedCase.pass();
                  }));
      assertEquals(Status.ERROR, lost.status());
      assertTrue(supervisor.ended().orElseThrow().contains("the device is gone"));
      assertEquals(Status.NOT_RUN, supervisor.run(GOOD).status());
    }
  }

  @Test
  void deviceThatCannotBeOpenedIsThrown() {
    HalException e =
        assertThrows(
            HalException.class,
            () ->
                new Supervisor(
                    () -> new Subject(new LosableDevice(0)), Duration.ofSeconds(20), () -> false));
    assertEquals(HalErrorCode.DEVICE_UNAVAILABLE, e.code());
  }

  @Test
  void thrownErrorsOfACaseAreItsOwn() {
    try (Supervisor supervisor = supervisor(Duration.ofSeconds(20))) {
      ScriptedCase broken =
          ScriptedCase.doing(
              "test:broken",
              s -> {
                throw new IllegalStateException("oracle");
              });
      assertEquals(Status.ERROR, supervisor.run(broken).status());
      StackOverflowError deep = new StackOverflowError();
      assertEquals(
          Status.ERROR,
          supervisor
              .run(
                  ScriptedCase.doing(
                      "test:deep",
                      s -> {
                        throw deep;
                      }))
              .status());
      assertEquals(Status.PASS, supervisor.run(GOOD).status());
      assertFalse(supervisor.ended().isPresent());
    }
  }

  @Test
  void sharedResourceLivesUntilAnotherIsAskedForOrACaseBreaks() {
    AtomicBoolean first = new AtomicBoolean();
    AtomicBoolean second = new AtomicBoolean();
    try (Supervisor supervisor = supervisor(Duration.ofSeconds(20))) {
      Subject s = supervisor.subject();
      AutoCloseable one = s.shared("one", AutoCloseable.class, () -> () -> first.set(true));
      assertEquals(one, s.shared("one", AutoCloseable.class, () -> () -> first.set(true)));
      assertFalse(first.get());
      s.shared("two", AutoCloseable.class, () -> () -> second.set(true));
      assertTrue(first.get());
      assertFalse(second.get());
      supervisor.run(
          ScriptedCase.doing(
              "test:broken",
              x -> {
                throw new IllegalStateException();
              }));
      assertTrue(second.get());
    }
  }
}
