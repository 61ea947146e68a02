// The peer of bench/ingest --peer kafka-streams: the last 50 events of each user in a state store, one Get and one Put an event,
// exactly once (v2). KStreams APP BROKERS TOPIC EVENTS STATE_DIR CACHE_BYTES COMMIT_MS
// Prints "events cpu_s wall_s", from the start of the client to its end: the JVM's own start and end are left out.
import java.lang.management.ManagementFactory;
import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

public class KStreams {
	static final int KEPT = 50, EVENT_BYTES = 13; // u32 item, u8 kind, i64 time
	static final AtomicLong seen = new AtomicLong();
	static final CountDownLatch done = new CountDownLatch(1);
	static long events;

	static class History implements Processor<byte[], byte[], Void, Void> {
		KeyValueStore<byte[], byte[]> store;

		public void init(ProcessorContext<Void, Void> context) { store = context.getStateStore("history"); }

		// The wire format by hand: a generated reader would cost more.
		static void read(byte[] v, byte[] to, int at) {
			int p = 0, item = 0, kind = 0;
			long time = 0;

			while (p < v.length) {
				final int tag = v[p++] & 255;
				long word = 0;
				byte b;

				for (int shift = 0; ; shift += 7) {
					b = v[p++];
					word |= (long) (b & 127) << shift;
					if (b >= 0)
						break;
				}
				if ((tag & 7) == 2) {
					for (int i = 1; tag >> 3 == 2 && i < word; i++)
						item = item * 10 + v[p + i] - '0';
					p += (int) word;
				} else if (tag >> 3 == 3) {
					kind = (int) word;
				} else if (tag >> 3 == 4) {
					time = word;
				}
			}
			for (int i = 0; i < 4; i++)
				to[at + i] = (byte) (item >>> 8 * i);
			to[at + 4] = (byte) kind;
			for (int i = 0; i < 8; i++)
				to[at + 5 + i] = (byte) (time >>> 8 * i);
		}

		public void process(Record<byte[], byte[]> record) {
			final byte[] had = store.get(record.key());
			final int keep = had == null ? 0 : Math.min(had.length, (KEPT - 1) * EVENT_BYTES);
			final byte[] now = new byte[keep + EVENT_BYTES];

			if (keep > 0)
				System.arraycopy(had, had.length - keep, now, 0, keep);
			read(record.value(), now, keep);
			store.put(record.key(), now);
			if (seen.incrementAndGet() == events)
				done.countDown();
		}
	}

	static Properties settings(String[] a) {
		final Properties p = new Properties();

		p.put(StreamsConfig.APPLICATION_ID_CONFIG, a[0]);
		p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, a[1]);
		p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
		p.put(StreamsConfig.STATE_DIR_CONFIG, a[4]);
		p.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, Long.parseLong(a[5]));
		p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Long.parseLong(a[6]));
		p.put("auto.offset.reset", "earliest");
		return p;
	}

	static Topology topology(String topic, boolean cached) {
		final Topology t = new Topology();
		final StoreBuilder<KeyValueStore<byte[], byte[]>> store = Stores.keyValueStoreBuilder(
			Stores.persistentKeyValueStore("history"), Serdes.ByteArray(), Serdes.ByteArray());

		t.addSource("events", new ByteArrayDeserializer(), new ByteArrayDeserializer(), topic);
		t.addProcessor("histories", History::new, "events");
		t.addStateStore(cached ? store.withCachingEnabled() : store, "histories");
		return t;
	}

	public static void main(String[] a) throws Exception {
		final var os = (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
		final long cpu = os.getProcessCpuTime(), wall = System.nanoTime();
		events = Long.parseLong(a[3]);
		final KafkaStreams streams = new KafkaStreams(topology(a[2], Long.parseLong(a[5]) > 0), settings(a));

		streams.setUncaughtExceptionHandler(e -> {
			e.printStackTrace();
			Runtime.getRuntime().halt(1);
			return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
		});
		streams.start();
		done.await();
		streams.close(Duration.ofSeconds(120)); // the last commit is in it
		System.out.printf(java.util.Locale.ROOT, "%d %.6f %.6f%n", seen.get(), (os.getProcessCpuTime() - cpu) / 1e9,
		                  (System.nanoTime() - wall) / 1e9);
		System.exit(0);
	}
}
