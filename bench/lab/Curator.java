import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.locks.InterProcessLock;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreMutex;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.locks.Lease;
import org.apache.curator.retry.RetryOneTime;

/**
 * Curator's mutex and semaphore, timed where they are used. The same protocol
 * over standard input and output as kazoo.py; System.nanoTime is the monotonic
 * clock.
 */
public class Curator {
    private static String hosts;
    private static CuratorFramework client;
    private static CuratorFramework other; // who holds what the client is denied
    private static final Map<String, InterProcessMutex> mutexes = new HashMap<>();
    private static final Map<String, InterProcessSemaphoreV2> semaphores = new HashMap<>();
    private static final Map<String, Handover> handovers = new HashMap<>();
    private static final List<Object> held = new ArrayList<>();
    private static final List<CuratorFramework> contenders = new ArrayList<>();
    private static ExecutorService threads;

    public static void main(String[] args) throws Exception {
        hosts = args[0];
        client = connect();
        other = connect();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        say("ok");
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            try {
                long[] answer = carryOut(line.split(" "));
                StringBuilder text = new StringBuilder("ok");
                for (long n : answer) {
                    text.append(' ').append(n);
                }
                say(text.toString());
            } catch (Exception e) {
                say("error " + e.toString().replace('\n', ' '));
            }
        }
        System.exit(0);
    }

    private static void say(String line) {
        System.out.println(line);
        System.out.flush();
    }

    private static CuratorFramework connect() throws Exception {
        CuratorFramework c = CuratorFrameworkFactory.newClient(hosts, 120000, 60000, new RetryOneTime(100));
        c.start();
        c.blockUntilConnected();
        return c;
    }

    private static long[] carryOut(String[] order) throws Exception {
        switch (order[0]) {
            case "hold": { // PATH
                InterProcessMutex m = new InterProcessMutex(other, order[1]);
                m.acquire();
                held.add(m);
                return new long[0];
            }
            case "holdall": { // PATH N
                InterProcessSemaphoreV2 s = new InterProcessSemaphoreV2(other, order[1], Integer.parseInt(order[2]));
                Collection<Lease> leases = s.acquire(Integer.parseInt(order[2]));
                held.add(leases);
                return new long[0];
            }
            case "try": { // PATH
                InterProcessMutex m = mutexes.computeIfAbsent(order[1], p -> new InterProcessMutex(client, p));
                long begin = System.nanoTime();
                boolean granted = m.acquire(0, TimeUnit.MILLISECONDS);
                long took = System.nanoTime() - begin;
                if (granted) {
                    m.release();
                }
                return new long[] {took, granted ? 1 : 0};
            }
            case "trysem": { // PATH N
                int n = Integer.parseInt(order[2]);
                InterProcessSemaphoreV2 s = semaphores.computeIfAbsent(order[1], p -> new InterProcessSemaphoreV2(client, p, n));
                long begin = System.nanoTime();
                Lease lease = s.acquire(0, TimeUnit.MILLISECONDS);
                long took = System.nanoTime() - begin;
                if (lease != null) {
                    s.returnLease(lease);
                }
                return new long[] {took, lease != null ? 1 : 0};
            }
            case "lock": { // PATH
                InterProcessMutex m = new InterProcessMutex(client, order[1]);
                long begin = System.nanoTime();
                m.acquire();
                long acquired = System.nanoTime();
                m.release();
                return new long[] {acquired - begin, System.nanoTime() - acquired};
            }
            case "handmutex": // PATH
                return handovers.computeIfAbsent(order[1],
                    p -> new Handover(new InterProcessMutex(client, p), new InterProcessMutex(other, p))).next();
            case "handsem": // PATH
                return handovers.computeIfAbsent(order[1],
                    p -> new Handover(new InterProcessSemaphoreMutex(client, p), new InterProcessSemaphoreMutex(other, p))).next();
            case "herd": // PREFIX N
                herd(Integer.parseInt(order[2]));
                return new long[0];
            case "race": // PATH START
                return race(order[1], Long.parseLong(order[2]));
            default:
                throw new IllegalArgumentException(Arrays.toString(order));
        }
    }

    /** A lock that goes to and fro between two sessions, each with its thread: only that can release. */
    private static class Handover {
        private final InterProcessLock[] locks;
        private final ExecutorService[] threads = {Executors.newSingleThreadExecutor(), Executors.newSingleThreadExecutor()};
        private int holder;

        Handover(InterProcessLock... locks) {
            this.locks = locks;
        }

        /** Times one handover: from just before the release until the waiter has the lock. */
        long[] next() throws Exception {
            if (!locks[holder].isAcquiredInThisProcess()) {
                threads[holder].submit(() -> acquire(holder)).get();
            }
            int waiter = 1 - holder;
            Future<Long> granted = threads[waiter].submit(() -> acquire(waiter));
            Thread.sleep(100); // until it waits
            Future<Long> begin = threads[holder].submit(() -> {
                long now = System.nanoTime();
                locks[holder].release();
                return now;
            });
            long took = granted.get() - begin.get();
            holder = waiter;
            return new long[] {took, took > 0 ? 1 : 0};
        }

        private long acquire(int i) throws Exception {
            locks[i].acquire();
            return System.nanoTime();
        }
    }

    private static void herd(int n) throws Exception {
        if (threads != null) {
            threads.shutdown();
        }
        threads = Executors.newFixedThreadPool(n);
        List<Future<CuratorFramework>> opening = new ArrayList<>();
        while (contenders.size() + opening.size() < n) {
            opening.add(threads.submit(Curator::connect));
        }
        for (Future<CuratorFramework> f : opening) {
            contenders.add(f.get());
        }
    }

    private static long[] race(String path, long start) throws Exception {
        CountDownLatch unanswered = new CountDownLatch(contenders.size());
        AtomicLong granted = new AtomicLong();
        List<Future<Long>> ends = new ArrayList<>();
        for (CuratorFramework c : contenders) {
            ends.add(threads.submit(() -> {
                InterProcessMutex m = new InterProcessMutex(c, path);
                boolean mine = false;
                long end;
                try {
                    TimeUnit.NANOSECONDS.sleep(start - System.nanoTime());
                    mine = m.acquire(0, TimeUnit.MILLISECONDS);
                } finally {
                    end = System.nanoTime();
                    unanswered.countDown();
                }
                if (mine) {
                    granted.incrementAndGet();
                    unanswered.await();
                    m.release(); // only this thread can
                }
                return end;
            }));
        }
        long end = 0;
        for (Future<Long> f : ends) {
            end = Math.max(end, f.get());
        }
        return new long[] {end, granted.get()};
    }
}
