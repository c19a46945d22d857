/* Follows sernet-edge's runtime/stream.py and runtime/events.py operation by operation. */
#include "sernet_decide.h"

#include <string.h>

static const double hop_s =
    (double)SERNET_EVERY_FRAMES * ((double)SERNET_FRAME_STEP_SAMPLES / SERNET_SAMPLE_RATE_HZ);

void sernet_decider_reset(sernet_decider *decider) {
    memset(decider, 0, sizeof *decider);
    decider->leader.label = decider->event.label = SERNET_NO_LABEL;
}

static double seconds(uint64_t frames) {
    const uint64_t samples =
        (frames - 1) * SERNET_FRAME_STEP_SAMPLES + SERNET_FRAME_LENGTH_SAMPLES;
    return (double)samples / SERNET_SAMPLE_RATE_HZ;
}

/* Smooths the scores of a window; returns the label of the highest score. */
static uint16_t smooth(sernet_decider *decider, const int8_t *scores) {
    uint16_t top = 0;
    for (uint32_t i = 0; i < SERNET_LABEL_COUNT; i++) {
        const float found = SERNET_SCORE_SCALE * (float)(scores[i] - SERNET_SCORE_ZERO_POINT);
        double score = (double)found;
        if (decider->smooths) {
            /* Volatile, so that the compiler rounds each product and fuses no multiplication with
             * the addition. */
            const volatile double earlier = SERNET_DECIDE_SMOOTHING * decider->scores[i];
            const volatile double newer = (1.0 - SERNET_DECIDE_SMOOTHING) * score;
            score = earlier + newer;
        }
        decider->scores[i] = score;
        if (score > decider->scores[top]) top = (uint16_t)i;
    }
    decider->smooths = 1;
    return top;
}

static void extend(sernet_lead *lead, double time_s, double score) {
    lead->last_s = time_s;
    if (score > lead->peak) lead->peak = score;
}

static void add_event(sernet_decision *decision, sernet_event_kind kind, uint32_t number,
                      const sernet_lead *lead) {
    sernet_event *event = &decision->events[decision->event_count++];
    event->kind = kind;
    event->label = lead->label;
    event->number = number;
    event->start_s = lead->start_s;
    event->end_s = kind == SERNET_EVENT_END ? lead->last_s : 0.0;
    event->peak = lead->peak;
}

static void end_event(sernet_decider *decider, sernet_decision *decision) {
    sernet_lead *event = &decider->event;
    if (event->label == SERNET_NO_LABEL) return;
    add_event(decision, SERNET_EVENT_END, decider->count, event);
    decider->none_before_s[event->label] = event->last_s + SERNET_REFRACTORY_S;
    event->label = SERNET_NO_LABEL;
}

/* Updates the label that leads.
 *
 *     label (1) the emotion of a sure result, or SERNET_NO_LABEL */
static void lead(sernet_decider *decider, uint16_t label, double time_s, double score) {
    sernet_lead *leader = &decider->leader;
    if (label != SERNET_NO_LABEL && label == leader->label) {
        extend(leader, time_s, score);
        return;
    }
    leader->label = label;
    leader->start_s = time_s - hop_s;
    leader->last_s = time_s;
    leader->peak = score;
}

/* Starts and ends events; the arguments are those of `lead`. */
static void track(sernet_decider *decider, uint16_t label, double score,
                  sernet_decision *decision) {
    const double time_s = decision->time_s;
    const sernet_lead *leader = &decider->leader;
    sernet_lead *event = &decider->event;
    lead(decider, label, time_s, score);
    if (event->label != SERNET_NO_LABEL) {
        if (event->label == label)
            extend(event, time_s, score);
        else if (time_s - event->last_s >= SERNET_RELEASE_S)
            end_event(decider, decision);
    }
    if (event->label != SERNET_NO_LABEL || leader->label == SERNET_NO_LABEL) return;
    const double none_before_s = decider->none_before_s[leader->label];
    const double start_s = leader->start_s < none_before_s ? none_before_s : leader->start_s;
    if (time_s - start_s < SERNET_EVIDENCE_S) return;
    decider->count++;
    *event = *leader;
    event->start_s = start_s;
    event->last_s = time_s;
    add_event(decision, SERNET_EVENT_START, decider->count, event);
}

void sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                   sernet_decision *decision) {
    const uint16_t top = smooth(decider, result->scores_int8);
    const double score = decider->scores[top];
    memcpy(decision->scores, decider->scores, sizeof decision->scores);
    decision->time_s = seconds(result->frames);
    decision->label = top;
    decision->is_sure = score >= SERNET_DECIDE_UNSURE_BELOW && !drifts;
    decision->event_count = 0;
    const int is_emotion = decision->is_sure && top != SERNET_LABEL_NONE;
    track(decider, is_emotion ? top : SERNET_NO_LABEL, score, decision);
}

void sernet_decide_silence(sernet_decider *decider, uint64_t frames, sernet_decision *decision) {
    decider->smooths = 0;
    decision->time_s = seconds(frames);
    decision->label = SERNET_NO_LABEL;
    decision->is_sure = 0;
    decision->event_count = 0;
    track(decider, SERNET_NO_LABEL, 0.0, decision);
}

void sernet_decide_end(sernet_decider *decider, sernet_decision *decision) {
    decision->event_count = 0;
    decider->leader.label = SERNET_NO_LABEL;
    end_event(decider, decision);
}
