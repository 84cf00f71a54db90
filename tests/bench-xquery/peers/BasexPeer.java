// Times BaseX for the bench: one process, the database built once in main memory with its indexes and all white space,
// each query compiled, run and serialized again and again. CPU is that of the querying thread alone: the collector's and
// the compiler's threads are not charged.
//
// usage: BasexPeer DOCUMENT QUERIES RESULTS BUDGET_MS CAP_MS NAME...   one line of JSON per answer

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.basex.core.Context;
import org.basex.core.MainOptions;
import org.basex.core.cmd.CreateDB;
import org.basex.io.serial.Serializer;
import org.basex.io.serial.SerializerOptions;
import org.basex.query.QueryProcessor;
import org.basex.query.iter.Iter;
import org.basex.query.value.item.Item;

public final class BasexPeer {
    static final ThreadMXBean CLOCK = ManagementFactory.getThreadMXBean();

    public static void main(String[] args) throws Exception {
        long wall = System.nanoTime();
        long cpu = CLOCK.getCurrentThreadCpuTime();
        Context context = new Context();
        context.options.set(MainOptions.MAINMEM, true);
        context.options.set(MainOptions.CHOP, false);
        new CreateDB("bench", args[0]).execute(context);
        double loadCpu = (CLOCK.getCurrentThreadCpuTime() - cpu) / 1e6;
        double loadWall = (System.nanoTime() - wall) / 1e6;
        System.gc();
        Runtime runtime = Runtime.getRuntime();
        long heap = runtime.totalMemory() - runtime.freeMemory();
        System.out.printf("{\"load_cpu_ms\":%.3f,\"load_wall_ms\":%.3f,\"heap_bytes\":%d,\"version\":\"%s\"}%n",
            loadCpu, loadWall, heap, org.basex.util.Prop.VERSION);
        long budget = Long.parseLong(args[3]) * 1_000_000;
        long cap = Long.parseLong(args[4]);
        for (int index = 5; index < args.length; index++) {
            String name = args[index];
            String text = Files.readString(Path.of(args[1], name + ".xq"));
            Thread guard = new Thread(() -> {
                try {
                    Thread.sleep(cap);
                    System.out.printf("{\"query\":\"%s\",\"capped\":true}%n", name);
                    System.out.flush();
                    Runtime.getRuntime().halt(3);
                } catch (InterruptedException expected) {
                    // The query was in time.
                }
            });
            guard.setDaemon(true);
            guard.start();
            List<Double> cpus = new ArrayList<>();
            List<Double> walls = new ArrayList<>();
            byte[] result = null;
            long begun = System.nanoTime();
            int warm = 0;
            while (true) {
                long c = CLOCK.getCurrentThreadCpuTime();
                long w = System.nanoTime();
                ByteArrayOutputStream out = new ByteArrayOutputStream();
                try (QueryProcessor processor = new QueryProcessor(text, context)) {
                    SerializerOptions options = new SerializerOptions();
                    options.set(SerializerOptions.METHOD, org.basex.io.serial.SerialMethod.XML);
                    options.set(SerializerOptions.OMIT_XML_DECLARATION, org.basex.util.options.Options.YesNo.YES);
                    options.set(SerializerOptions.INDENT, org.basex.util.options.Options.YesNo.NO);
                    Iter items = processor.iter();
                    try (Serializer serializer = Serializer.get(out, options)) {
                        for (Item item; (item = items.next()) != null;) {
                            serializer.serialize(item);
                        }
                    }
                }
                result = out.toByteArray();
                cpus.add((CLOCK.getCurrentThreadCpuTime() - c) / 1e6);
                walls.add((System.nanoTime() - w) / 1e6);
                guard.interrupt();
                // The first half of the budget warms up and is forgotten.
                long spent = System.nanoTime() - begun;
                if (warm == 0 && spent > budget / 2) {
                    warm = cpus.size();
                }
                if (spent > budget && (cpus.size() > warm || cpus.size() == 1)) {
                    break;
                }
            }
            int from = Math.min(warm, cpus.size() - 1);
            Files.write(Path.of(args[2], name + ".xml"), result);
            System.out.printf("{\"query\":\"%s\",\"cpu_ms\":%.4f,\"wall_ms\":%.4f,\"runs\":%d,\"bytes\":%d}%n", name,
                median(cpus.subList(from, cpus.size())), median(walls.subList(from, walls.size())),
                cpus.size() - from, result.length);
            System.out.flush();
        }
    }

    static double median(List<Double> values) {
        List<Double> sorted = new ArrayList<>(values);
        Collections.sort(sorted);
        return sorted.get(sorted.size() / 2);
    }
}
