/* daemon/settings.h - every setting of headraced, one row each. The parser, `headrace config show`, etc/headrace.conf, the
 * environment names and the training hash all come from this table.
 *
 * X(member, key, type, default, min, max, flags, words, sentence)
 *   default  text, read by the same parser as a file's value
 *   min max  bounds in the member's own unit (ms for a duration, bytes for a size, characters for a string)
 *   flags    T: training depends on it, so a state made under another value is refused. R: hr_config_check wants it set
 *   words    the unit; for an enum its words, in the order of the C enum; for a required string an example
 */
#ifndef HR_DAEMON_SETTINGS_H
#define HR_DAEMON_SETTINGS_H

#define HR_MS_SECOND 1e3
#define HR_MS_HOUR   3600e3
#define HR_MS_DAY    86400e3

#define HR_KIND_WORDS "none|view|click|cart|purchase|like|rating|play|share"

/* clang-format off */
#define HR_SETTINGS(X) \
	X(kafka_brokers, "kafka.brokers", STRING, "localhost:9092", 1, 4096, 0, "", \
	  "Bootstrap servers, host:port, separated by commas.") \
	X(kafka_client_id, "kafka.client_id", STRING, "headrace", 1, 249, 0, "", \
	  "Name of this client in the brokers' logs and quotas.") \
	X(kafka_group_id, "kafka.group_id", STRING, "headrace", 1, 249, 0, "", \
	  "Consumer group to which offsets are committed so that lag tools see them. The state holds the true offsets.") \
	X(kafka_properties, "kafka.properties", LIST, "", 0, 4096, 0, "", \
	  "Properties handed to librdkafka untouched: a map (security.protocol: ssl) or a list of \"name=value\".") \
	X(events_topic, "events.topic", STRING, "events", 1, 249, 0, "", \
	  "Topic of the events: key is the user id, a null value forgets the user.") \
	X(events_format, "events.format", ENUM, "protobuf", 0, 0, T, "protobuf|confluent|json", \
	  "Format of an event: headrace.v1.Event, the same behind Confluent framing, or JSON with the members below.") \
	X(events_partitions, "events.partitions", STRING, "all", 1, 4096, 0, "", \
	  "Partitions this instance owns: all, or numbers and ranges such as 0,4-7.") \
	X(events_start, "events.start", ENUM, "earliest", 0, 0, 0, "earliest|latest", \
	  "Where an empty state begins to read; later starts go on from the state's own offsets.") \
	X(events_accept_gap, "events.accept_gap", BOOL, "false", 0, 0, 0, "", \
	  "Go on when the topic lost events that were not read yet; what is gone is recorded. Otherwise that stops the start.") \
	X(events_accept_partitions, "events.accept_partitions", BOOL, "false", 0, 0, 0, "", \
	  "Go on when the topic has other partitions than when the state was made: new ones are read from their start.") \
	X(events_future_limit, "events.future_limit", DURATION, "10m", 0, 365 * HR_MS_DAY, T, "", \
	  "An event further ahead of its record's broker timestamp is rejected; where there is none, nothing is.") \
	X(events_default_kind, "events.default_kind", ENUM, "none", 0, 0, T, HR_KIND_WORDS, \
	  "Kind of a JSON event that names none; none rejects such an event.") \
	X(events_json_user, "events.json.user", STRING, "user", 1, 256, T, "", \
	  "JSON member of the user id; dots reach into nested objects (payload.user.id).") \
	X(events_json_item, "events.json.item", STRING, "item", 1, 256, T, "", "JSON member of the item id.") \
	X(events_json_kind, "events.json.kind", STRING, "kind", 1, 256, T, "", "JSON member of the kind.") \
	X(events_json_time, "events.json.time", STRING, "time", 1, 256, T, "", \
	  "JSON member of the time: milliseconds since 1970, or an RFC 3339 string.") \
	X(events_json_id, "events.json.id", STRING, "id", 1, 256, T, "", \
	  "JSON member of the event's own id, by which a repeated event is known.") \
	X(events_json_weight, "events.json.weight", STRING, "weight", 1, 256, T, "", "JSON member of the weight.") \
	X(events_json_session, "events.json.session", STRING, "session", 1, 256, T, "", "JSON member of the session id.") \
	X(items_topic, "items.topic", STRING, "", 0, 249, 0, "", \
	  "Compacted topic of item titles (headrace.v1.Item); empty for none.") \
	X(output_items_topic, "output.items_topic", STRING, "headrace-items", 1, 249, 0, "", \
	  "Compacted topic of item vectors (headrace.v1.Embedding).") \
	X(output_users_topic, "output.users_topic", STRING, "headrace-users", 1, 249, 0, "", \
	  "Compacted topic of user vectors (headrace.v1.Embedding).") \
	X(output_create, "output.create", BOOL, "true", 0, 0, 0, "", "Create the output topics when they are not there.") \
	X(output_min_shift, "output.min_shift", F64, "0.001", 0, 0.5, 0, "1 - cosine", \
	  "Publish an item's vector again only when it moved this far from its last publication; 0 publishes every change.") \
	X(output_budget, "output.budget", BYTES, "0", 0, 0x1p50, 0, "", \
	  "No more item vectors go into a refresh that has this many bytes; the furthest moved go first, the others wait. 0: no bound.") \
	X(output_gate, "output.gate", F32, "0.5", 0, 1, 0, "share", \
	  "Hold refreshes back while the model's recall is below this share of its own running mean; 0 never does.") \
	X(output_partitions, "output.partitions", U32, "6", 1, 10000, 0, "partitions", \
	  "Partitions of an output topic that is created here.") \
	X(state_dir, "state.dir", STRING, "", 0, 4096, R, "/var/lib/headrace", \
	  "Directory of the state. It is made when missing; one process at a time may hold it.") \
	X(state_free_min, "state.free_min", BYTES, "256MiB", 0, 0x1p50, 0, "", \
	  "Refuse to start with less free space than this on the state's disk.") \
	X(state_free_pause, "state.free_pause", BYTES, "512MiB", 0, 0x1p50, 0, "", \
	  "Stop consuming below this, and go on by itself when there is room again; queries are answered all the while.") \
	X(state_ballast, "state.ballast", BYTES, "64MiB", 0, 0x1p50, 0, "", \
	  "A file of this size is kept beside the state and given up when a last barrier needs the room; 0 for none.") \
	X(state_order_keep, "state.order_keep", DURATION, "0", 0, 36500 * HR_MS_DAY, 0, "", \
	  "Age at which a barrier's order log is removed; replay in the recorded order and verify need all of it. 0 keeps all.") \
	X(barrier_interval, "barrier.interval", DURATION, "5s", 100, HR_MS_HOUR, 0, "", \
	  "Longest time between two barriers: after a crash no more than this is read again.") \
	X(barrier_events, "barrier.events", U32, "200000", 1, 100000000, 0, "events", \
	  "A barrier falls after this many events even when the interval is not over.") \
	X(checkpoint_every, "checkpoint.every", DURATION, "1h", 1000, 365 * HR_MS_DAY, 0, "", \
	  "Time between two checkpoints of the state, to which it can be taken back.") \
	X(checkpoint_keep, "checkpoint.keep", U32, "3", 0, 1000, 0, "checkpoints", \
	  "Newest checkpoints that are kept; 0 makes none. They share files with the state until it changes.") \
	X(history_length, "history.length", U32, "50", 2, 200, T, "events", \
	  "Newest events kept for each user, and seen by the encoder.") \
	X(admit_min_count, "admit.min_count", U32, "1", 1, 1000000, T, "sightings", \
	  "Sightings of an item before it gets a vector.") \
	X(admit_expire_after, "admit.expire_after", DURATION, "0s", 0, 36500 * HR_MS_DAY, T, "", \
	  "An item not seen for so long, in stream time, is no longer recommended or published, until it is seen again; 0s: never.") \
	X(train_every, "train.every", U32, "32", 0, 100000, T, "events", \
	  "One training step after this many events; 0: state only, nothing is trained.") \
	X(train_window, "train.window", U32, "512", 1, 1000000, T, "events", \
	  "Newest events that each step trains on: an event is visited window / every times.") \
	X(train_rehearsal, "train.rehearsal", F32, "1", 0, 16, T, "histories", \
	  "Older histories drawn for each fresh one, so that the new does not erase the old.") \
	X(train_start_up, "train.start_up", U32, "20", 0, 1000, T, "epochs", \
	  "A new state that finds a backlog reads it whole and learns it by so many epochs, then goes on live; 0: event by event.") \
	X(train_start_up_from, "train.start_up_from", U64, "10000", 1, 0x1p62, 0, "records", \
	  "Smallest backlog that is learned in this way.") \
	X(train_start_up_batch, "train.start_up_batch", U32, "1024", 16, 1000000, T, "events", \
	  "Events in a step of these epochs.") \
	X(train_start_up_rate, "train.start_up_rate", F32, "0.003", 0, 1, T, "", \
	  "Highest model.rate of these epochs; item vectors learn at 67 times it.") \
	X(train_lag_max, "train.lag_max", DURATION, "2m", 0, 365 * HR_MS_DAY, 0, "", \
	  "Steps fall less often while the events read are older than this and the trainer can not keep up; 0: never.") \
	X(train_all_positions, "train.all_positions", BOOL, "false", 0, 0, T, "", \
	  "Ask the newest histories for their old events again, not for the new ones alone; this over-fits them.") \
	X(train_workers, "train.workers", U32, "1", 0, 256, 0, "threads", \
	  "Threads of a training step; 0 takes every processor. The result is the same, bit for bit, for any number.") \
	X(train_thaw, "train.thaw", BOOL, "false", 0, 0, 0, "", \
	  "Go on learning in a state that froze after three refused steps in a row.") \
	X(model_width, "model.width", U32, "64", 32, 256, T, "numbers", "Numbers in a vector; a multiple of 16.") \
	X(model_heads, "model.heads", U32, "2", 1, 16, T, "heads", "Attention heads; a divisor of the width.") \
	X(model_blocks, "model.blocks", U32, "1", 1, 8, T, "blocks", "Transformer blocks.") \
	X(model_dropout, "model.dropout", F32, "0.4", 0, 0.8, T, "share", \
	  "Share of activations dropped in training: embeddings, attention and residual branches.") \
	X(model_time_gaps, "model.time_gaps", BOOL, "true", 0, 0, T, "", \
	  "Tell the encoder how long ago each event was when the question is asked.") \
	X(model_next_item, "model.next_item", F32, "1", 0, 100, T, "weight", "Weight of the next-item loss; 0 switches it off.") \
	X(model_before_after, "model.before_after", F32, "0.1", 0, 100, T, "weight", \
	  "Weight of the contrast between a user's state before and after the newest events; 0 switches it off.") \
	X(model_views, "model.views", F32, "0.1", 0, 100, T, "weight", \
	  "Weight of the contrast between two augmented views of a history; 0 switches it off.") \
	X(model_masked_item, "model.masked_item", F32, "0", 0, 100, T, "weight", \
	  "Weight of the masked-item loss; 0 switches it off.") \
	X(model_triplet, "model.triplet", F32, "0", 0, 100, T, "weight", "Weight of the triplet loss; 0 switches it off.") \
	X(model_negatives, "model.negatives", U32, "2048", 1, 65536, T, "items", \
	  "Items drawn uniformly as negatives, shared by a batch; the batch's own targets are negatives too.") \
	X(model_full_softmax_below, "model.full_softmax_below", U32, "2048", 0, 1000000, T, "items", \
	  "Smaller catalogues are ranked whole in the next-item loss, without sampling.") \
	X(model_view_histories, "model.view_histories", U32, "64", 0, 4096, T, "histories", \
	  "Fresh histories that get augmented views in one step.") \
	X(model_informed_views, "model.informed_views", F32, "0", 0, 1, T, "share", \
	  "Views made by replacing and inserting items with co-visited ones, instead of a crop, a thinning or a reordering.") \
	X(model_same_target, "model.same_target", BOOL, "false", 0, 0, T, "", \
	  "Views of histories that lead to the same item are positives of each other, not negatives.") \
	X(model_temperature, "model.temperature", F32, "0.1", 0.01, 10, T, "", "Temperature of both contrasts.") \
	X(model_triplet_margin, "model.triplet_margin", F32, "0.5", 0, 2, T, "cosine", "Margin of the triplet loss.") \
	X(model_rate, "model.rate", F32, "0.003", 0, 1, T, "", "Learning rate of the dense weights (AdamW).") \
	X(model_item_rate, "model.item_rate", F32, "0.05", 0, 10, T, "", \
	  "Learning rate of the item vectors (row-wise Adagrad).") \
	X(model_weight_decay, "model.weight_decay", F32, "0", 0, 1, T, "", "Weight decay of the dense weights.") \
	X(model_clip, "model.clip", F32, "4", 0, 1000, T, "share", \
	  "Largest change of an item vector in one step, as a share of its length; 0 sets no bound.") \
	X(model_slow_share, "model.slow_share", F32, "0.5", 0, 1, T, "share", \
	  "Share of the way that slow weights keep (Lookahead), so that vectors drift less; 1 switches it off.") \
	X(model_slow_every, "model.slow_every", U32, "8", 1, 1000000, T, "steps", "Steps between two moves of the slow weights.") \
	X(model_rules_kept, "model.rules_kept", U32, "256", 1, 4096, T, "items", \
	  "Followers counted for each item: the baseline, related items and reasons come from them.") \
	X(model_popularity_half_life, "model.popularity_half_life", DURATION, "7d", 120 * HR_MS_SECOND, 36500 * HR_MS_DAY, T, "", \
	  "Stream time after which an event counts half in an item's popularity.") \
	X(model_seed, "model.seed", U64, "1", 0, 0x1p64, T, "", "Seed of every random number of the model.") \
	X(evaluate_share, "evaluate.share", F32, "0.1", 0, 1, T, "share", \
	  "Share of events that are ranked against the whole catalogue before they are learned.") \
	X(evaluate_window, "evaluate.window", U32, "10000", 1, 10000000, T, "questions", \
	  "Newest ranked events over which recall and NDCG are averaged.") \
	X(recommend_mix_rate, "recommend.mix_rate", F32, "0.002", 0, 1, T, "", \
	  "How fast the weights of network and counters in the mix are learned from ranked events; 0 keeps them.") \
	X(recommend_repeats, "recommend.repeats", BOOL, "false", 0, 0, T, "", \
	  "Recommend items of the user's own history too, and rank them in the evaluation.") \
	X(http_enabled, "http.enabled", BOOL, "true", 0, 0, 0, "", "Answer queries over HTTP.") \
	X(http_address, "http.address", STRING, "127.0.0.1", 1, 253, 0, "", "Address to listen on.") \
	X(http_port, "http.port", U32, "7700", 0, 65535, 0, "port", "Port to listen on; 0 takes any free one.") \
	X(http_threads, "http.threads", U32, "1", 1, 16, 0, "threads", "Threads that answer.") \
	X(http_limit_max, "http.limit_max", U32, "1000", 1, 100000, 0, "results", "Most results of one query.") \
	X(log_level, "log.level", ENUM, "info", 0, 0, 0, "error|warning|info|debug", "Log lines of this level and above are written.")

/** Sections in the sample file. */
#define HR_SECTIONS(X) \
	X("kafka", "The brokers and how to reach them.") \
	X("events", "What is read.") \
	X("events.json", "Members of a JSON event; for format: json only.") \
	X("items", "What is known about items.") \
	X("output", "What is published.") \
	X("state", "Where everything learned is kept.") \
	X("barrier", "How often everything becomes durable, in one atomic write.") \
	X("checkpoint", "States of earlier times that are kept aside.") \
	X("history", "What is remembered of a user.") \
	X("admit", "When an item is taken into the catalogue.") \
	X("train", "What a training step is made of.") \
	X("model", "The encoder, its objectives and its optimiser.") \
	X("evaluate", "Test, then train: the running measure of quality.") \
	X("recommend", "What a recommendation may hold.") \
	X("http", "Queries.") \
	X("log", "Lines on standard error, one an event.")
/* clang-format on */

#endif
