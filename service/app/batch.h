/* batch - polls one batch of messages and turns each into a change, or a dead letter. */
#pragma once

#include "app/worker.h"

void batch_init(struct batch *b, const struct settings *s);
void batch_fini(struct batch *b);

/* Polls until the batch is full, its time is over, or (at once) nothing waits; `wait_ms` is the
 * patience for the first message. Rebalances may happen meanwhile. err as consumer_poll(). True
 * when there is at least one message, or a partition's tail has waited long enough. */
bool batch_collect(struct worker *w, struct batch *b, int wait_ms, struct err *err);

/* Frames, schemas, decoding, mapping: fills b->changes and b->parts. A record whose schema cannot
 * be had yet ends its partition's part of the batch before it. False when nothing is left. */
bool batch_decode(struct worker *w, struct batch *b);

/* Gives messages and the membership back; what is to be published stays. */
void batch_release(struct worker *w, struct batch *b);
void batch_drop_member(struct batch *b);

/* Messages that the last batch was too big for. Forgotten with it: a seek, or an ASSIGN, must
 * follow. */
void batch_forget_rest(struct worker *w);
