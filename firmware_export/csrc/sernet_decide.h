/* Decides like `sernet-edge listen`: whether a result is sure, and when events start and end.
 *
 *     static sernet_decider decider;
 *     sernet_decider_reset(&decider);
 *     ...
 *     sernet_decision decision;
 *     while (sernet_poll(state, &result) == SERNET_READY) {
 *         sernet_decide(&decider, &result, 0, &decision);
 *         for (uint32_t i = 0; i < decision.event_count; i++) ...decision.events[i]...
 *     }
 *
 * It computes in doubles, with the bits of `listen`. The linker leaves it out of a program that
 * does not call it. No heap, no recursion, no global variables. */
#ifndef SERNET_DECIDE_H
#define SERNET_DECIDE_H

#include "sernet.h"

/* Settings; the defaults are those of the contract and of `listen`. To change them, define these
 * macros for the whole program. In order: the weight of earlier scores; the top score below which a
 * result is unsure; how long an emotion must lead before an event starts; how long it must not lead
 * before the event ends; how long after an event no event of its label starts. */
#ifndef SERNET_DECIDE_SMOOTHING
#define SERNET_DECIDE_SMOOTHING SERNET_LISTEN_SMOOTHING
#endif
#ifndef SERNET_DECIDE_UNSURE_BELOW
#define SERNET_DECIDE_UNSURE_BELOW SERNET_LISTEN_UNSURE_BELOW
#endif
#ifndef SERNET_EVIDENCE_S
#define SERNET_EVIDENCE_S SERNET_LISTEN_EVIDENCE_S
#endif
#ifndef SERNET_RELEASE_S
#define SERNET_RELEASE_S SERNET_LISTEN_RELEASE_S
#endif
#ifndef SERNET_REFRACTORY_S
#define SERNET_REFRACTORY_S SERNET_LISTEN_REFRACTORY_S
#endif

/* Replaces a label: nobody spoke, and the network did not run. */
#define SERNET_NO_LABEL 0xffffu

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SERNET_EVENT_START = 1, SERNET_EVENT_END = 2 } sernet_event_kind;

/* The start or the end of an emotion that lasts. */
typedef struct {
    sernet_event_kind kind;
    uint16_t label;
    uint32_t number; /* of the event, from 1 */
    double start_s;  /* the emotion's onset, in seconds of the stream */
    double end_s;    /* the end of the last result in which it led; 0 at the start */
    double peak;     /* the label's highest smoothed score so far */
} sernet_event;

typedef struct {
    double time_s;  /* the end of the window */
    uint16_t label; /* of the highest smoothed score, or SERNET_NO_LABEL */
    uint8_t is_sure;
    uint8_t event_count;
    sernet_event events[2]; /* the end of an event comes before the start of the next */
    double scores[SERNET_LABEL_COUNT]; /* smoothed; not set without a label */
} sernet_decision;

/* A run of results with one label: its start, its last result, and its highest score. */
typedef struct {
    double start_s, last_s, peak;
    uint16_t label; /* SERNET_NO_LABEL: there is no run */
} sernet_lead;

/* All data between calls; the members are private. */
typedef struct {
    sernet_lead leader; /* the label that leads now */
    sernet_lead event;  /* the event that has started and not ended */
    uint32_t count;     /* events so far */
    uint32_t smooths;   /* whether there are earlier scores */
    double scores[SERNET_LABEL_COUNT];
    double none_before_s[SERNET_LABEL_COUNT];
} sernet_decider;

/* Starts a stream. */
void sernet_decider_reset(sernet_decider *decider);

/* Decides on the next result. Set `drifts` if the window is above the drift limit: then the result
 * is unsure. */
void sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                   sernet_decision *decision);

/* Decides on a window in which nobody spoke, without a result; `frames` is the end of the window in
 * the stream. The next result is not smoothed with the earlier ones. */
void sernet_decide_silence(sernet_decider *decider, uint64_t frames, sernet_decision *decision);

/* Ends a running event, because the stream ends or has a gap. It sets only the events of the
 * decision. */
void sernet_decide_end(sernet_decider *decider, sernet_decision *decision);

#ifdef __cplusplus
}
#endif

#endif
