/* model/observe.c - test-then-train: events are ranked with what is known before they are learned. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "model/mix.h"
#include "model/priv.h"
#include "model/purpose.h"

#define LOGITS_FLOATS ((size_t)1 << 21) /* questions are scored together as far as their logits fit in here */
#define SHORT_HISTORY 5u
#define COLD_EVENTS 5u
#define SCORE_ARRAYS 6u

/* ---- which events are questions ---- */

static bool in_history(const struct hr_observation *e)
{
	for (size_t i = 0; i < e->history_len; i++)
		if (e->history_item[i] == e->item)
			return true;
	return false;
}

static bool is_question(const struct hr_trainer *t, const struct hr_observation *e)
{
	struct hr_rng rng = hr_rng_stream(t->config.seed, HR_PURPOSE_QUESTION, e->ordinal);

	if (e->mute || e->history_len == 0 || hr_rng_unit(&rng) >= (double)t->ask_share)
		return false;
	return t->config.repeats || !in_history(e);
}

static size_t choose_questions(struct hr_trainer *t, const struct hr_observation *events, size_t count)
{
	struct hr_observing *o = &t->observing;
	size_t questions = 0;

	o->question = hr_grow(o->question, &o->question_cap, count, sizeof *o->question);
	for (size_t i = 0; i < count; i++)
		if (is_question(t, &events[i]))
			o->question[questions++] = (uint32_t)i;
	return questions;
}

/* ---- user vectors of all questions, logits of some ---- */

/* As in training: each position is asked for the time of the next event, the last one for that of the question. */
static void add_history(struct hr_batch *b, const struct hr_observation *e, size_t L)
{
	hr_batch_begin(b, /* fresh */ 0);
	for (size_t i = e->history_len > L ? e->history_len - L : 0; i < e->history_len; i++) {
		const int64_t ask_ms = i + 1 < e->history_len ? e->history_time_ms[i + 1] : e->time_ms;
		hr_batch_add(b, e->history_item[i], e->history_time_ms[i], e->history_kind[i], ask_ms, HR_NONE, 0);
	}
}

/* Who competes: 1 for a live row. Made once for a group of questions; floats, as the kernel that counts wants them. */
static void open_rows(struct hr_trainer *t)
{
	struct hr_observing *o = &t->observing;

	o->open = hr_grow(o->open, &o->open_cap, t->items.rows, sizeof *o->open);
	for (size_t row = 0; row < t->items.rows; row++)
		o->open[row] = t->live[row];
}

static void encode_questions(struct hr_trainer *t, const struct hr_observation *events, size_t questions)
{
	struct hr_observing *o = &t->observing;
	const size_t D = t->config.width;

	hr_trainer_refresh(t);
	hr_batch_clear(&o->batch);
	for (size_t q = 0; q < questions; q++)
		add_history(&o->batch, &events[o->question[q]], t->config.window);
	o->user = hr_grow(o->user, &o->user_cap, questions * D, sizeof *o->user);
	hr_encode(&t->encoder, &o->batch, t->unit, t->items.rows, o->user, &o->encode);
	open_rows(t);
}

static size_t questions_at_once(const struct hr_trainer *t)
{
	const size_t fit = LOGITS_FLOATS / (t->items.rows + 1);

	return fit < 1 ? 1 : fit > 64 ? 64 : fit;
}

static void score_questions(struct hr_trainer *t, size_t first, size_t count)
{
	struct hr_observing *o = &t->observing;
	const size_t rows = t->items.rows, D = t->config.width;
	const float scale = expf(t->w[t->encoder.at.log_scale]);

	o->logits = hr_grow(o->logits, &o->logits_cap, count * rows, sizeof *o->logits);
	o->scratch = hr_grow(o->scratch, &o->scratch_cap, HR_SCRATCH_FLOATS(count, rows) + HR_SCRATCH_FLOATS(rows, D),
	                     sizeof *o->scratch);
	t->k->scores(o->logits, rows, o->user + first * D, t->unit, count, rows, D, o->scratch);
	for (size_t i = 0; i < count * rows; i++)
		o->logits[i] *= scale;
}

/* ---- ranks ---- */

/* The terms of the mix and the scores of every row for one question, ranker by ranker. */
static struct hr_gate_question make_scores(struct hr_trainer *t, const struct hr_observation *e, const float *logits,
                                           const float *score[HR_RANKERS])
{
	struct hr_observing *o = &t->observing;
	const struct hr_mix start = hr_mix_start();
	const size_t rows = t->items.rows;

	o->scores = hr_grow(o->scores, &o->scores_cap, SCORE_ARRAYS * rows, sizeof *o->scores);
	float *rules = o->scores, *popularity = rules + rows, *rules_term = popularity + rows, *popularity_term = rules_term + rows;
	float *counters = popularity_term + rows, *mix = counters + rows;
	memset(rules, 0, rows * sizeof *rules);
	hr_counters_rules(t->counters, e->history_item, e->history_len, rules, rows);
	hr_counters_popularity(t->counters, e->time_ms, popularity, rows);
	for (size_t row = 0; row < rows; row++)
		popularity_term[row] = popularity[row] + 0.05f;
	t->k->logs(popularity_term, popularity_term, rows);
	for (size_t row = 0; row < rows; row++) {
		rules_term[row] = hr_mix_rules(&start, rules[row]);
		counters[row] = rules_term[row] + hr_mix_popularity(&start, popularity_term[row]);
	}
	const struct hr_gate_question q = {.rows = rows, .term = {logits, rules_term, popularity_term}, .open = o->open,
	                                   .wanted = e->item, .history = e->history_item, .history_len = e->history_len};
	hr_mix_scores(&t->gate.now, &q, mix);
	score[HR_RANK_MODEL] = logits;
	score[HR_RANK_RULES] = rules;
	score[HR_RANK_POPULARITY] = popularity;
	score[HR_RANK_COUNTERS] = counters;
	score[HR_RANK_MIX] = mix;
	return q;
}

/* Items of the user's own history do not compete unless they may be recommended. */
static void hide_history(struct hr_trainer *t, const struct hr_observation *e, bool hide)
{
	for (size_t i = 0; i < e->history_len && !t->config.repeats; i++) {
		HR_ASSERT(e->history_item[i] < t->items.rows);
		t->observing.open[e->history_item[i]] = !hide && t->live[e->history_item[i]] ? 1 : 0;
	}
}

static uint8_t slices_of(const struct hr_trainer *t, const struct hr_observation *e)
{
	const bool cold = t->cut_rows != HR_NONE ? e->item >= t->cut_rows
	                                         : hr_counters_events(t->counters, e->item) < COLD_EVENTS;

	return (uint8_t)(1u << HR_SLICE_ALL | 1u << (cold ? HR_SLICE_COLD : HR_SLICE_WARM) |
	                 (e->history_len < SHORT_HISTORY ? 1u << HR_SLICE_SHORT : 0));
}

static void answer(struct hr_trainer *t, const struct hr_observation *e, const float *logits)
{
	struct hr_answer a = {.slices = slices_of(t, e)};
	const float *score[HR_RANKERS];

	memset(a.rank, HR_RANKS, sizeof a.rank);
	if (hr_items_live(&t->items, e->item)) {
		const struct hr_gate_question q = make_scores(t, e, logits, score);
		hide_history(t, e, true);
		/* Ties count against the wanted item, as in the published protocols that headrace is compared with; it counts
		 * itself. */
		const float *open = t->observing.open;
		for (size_t r = 0; r < HR_RANKERS; r++) {
			const size_t at_least = t->k->count_open(score[r], open, score[r][e->item], t->items.rows);
			const size_t better = at_least - (open[e->item] > 0);
			a.rank[r] = (uint8_t)(better < HR_RANKS ? better : HR_RANKS);
		}
		/* The scores have served: their room is taken for what the gate needs. */
		if (t->config.mix_rate > 0)
			hr_gate_learn(&t->gate, t->k, &q, t->config.mix_rate, t->observing.scores);
		hide_history(t, e, false);
	}
	hr_score_add(&t->score, &a);
}

/* ---- */

static void learn(struct hr_trainer *t, const struct hr_observation *e)
{
	hr_counters_learn(t->counters, e->history_item, e->history_len, e->item, e->time_ms);
	t->stream_ms = e->time_ms > t->stream_ms ? e->time_ms : t->stream_ms;
}

/* Answers question number q, which is event e; logits are made for a run of questions at its first. */
static void answer_next(struct hr_trainer *t, const struct hr_observation *e, size_t q, size_t questions)
{
	const size_t at_once = questions_at_once(t);

	if (q % at_once == 0)
		score_questions(t, q, questions - q < at_once ? questions - q : at_once);
	answer(t, e, t->observing.logits + q % at_once * t->items.rows);
}

void hr_trainer_observe(struct hr_trainer *t, const struct hr_observation *events, size_t count)
{
	const size_t questions = choose_questions(t, events, count);
	size_t q = 0;

	if (questions > 0)
		encode_questions(t, events, questions);
	for (size_t i = 0; i < count; i++) {
		if (q < questions && t->observing.question[q] == i)
			answer_next(t, &events[i], q++, questions);
		hr_gate_take(&t->gate);
		learn(t, &events[i]);
	}
	t->state_dirty |= count > 0;
}

void hr_trainer_ask(struct hr_trainer *t, const struct hr_observation *events, size_t count)
{
	const size_t questions = choose_questions(t, events, count);

	if (questions > 0)
		encode_questions(t, events, questions);
	for (size_t q = 0; q < questions; q++)
		answer_next(t, &events[t->observing.question[q]], q, questions);
	t->state_dirty |= questions > 0;
}

void hr_trainer_count(struct hr_trainer *t, const struct hr_observation *events, size_t count)
{
	hr_gate_take(&t->gate);
	for (size_t i = 0; i < count; i++)
		learn(t, &events[i]);
	t->state_dirty |= count > 0;
}

void hr_trainer_cut(struct hr_trainer *t)
{
	t->ask_share = 1;
	t->cut_rows = (uint32_t)t->items.rows;
}
