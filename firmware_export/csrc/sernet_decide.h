/* Decides as `sernet-edge listen` does: what is sure, and which emotion lasted from when to when.
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
 * Its numbers are doubles, whose bits are listen's. A program that does not call it does not hold
 * it. No heap, no recursion, no global variables. */
#ifndef SERNET_DECIDE_H
#define SERNET_DECIDE_H

#include "sernet.h"

/* The contract's and listen's own settings, unless these are defined for the whole program:
 * the weight of earlier scores; the top score below which nothing is sure; for how long an
 * emotion has to lead before it is an event; the pause that ends it; and for how long after it
 * none of its label begins. */
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

/* Instead of a label: nobody spoke, and the network was not asked. */
#define SERNET_NO_LABEL 0xffffu

#ifdef __cplusplus
extern "C" {
#endif

typedef enum { SERNET_EVENT_START = 1, SERNET_EVENT_END = 2 } sernet_event_kind;

/* The beginning or the end of an emotion that lasted. */
typedef struct {
    sernet_event_kind kind;
    uint16_t label;
    uint32_t number; /* of the event, from 1 */
    double start_s;  /* its onset, in seconds of the stream */
    double end_s;    /* where its last result ended; 0 at the beginning */
    double peak;     /* its label's highest smoothed score so far */
} sernet_event;

typedef struct {
    double time_s;  /* where the window ends */
    uint16_t label; /* of the highest smoothed score, or SERNET_NO_LABEL */
    uint8_t is_sure;
    uint8_t event_count;
    sernet_event events[2]; /* an end before a beginning */
    double scores[SERNET_LABEL_COUNT]; /* smoothed; meaningless without a label */
} sernet_decision;

/* Results of one label: where they begin and end, and the highest score. */
typedef struct {
    double start_s, last_s, peak;
    uint16_t label; /* SERNET_NO_LABEL: there are none */
} sernet_lead;

/* Everything that is remembered between calls; its members are private. */
typedef struct {
    sernet_lead leader; /* the label that leads now */
    sernet_lead event;  /* what goes on */
    uint32_t count;     /* events so far */
    uint32_t smooths;   /* there are earlier scores */
    double scores[SERNET_LABEL_COUNT];
    double none_before_s[SERNET_LABEL_COUNT];
} sernet_decider;

/* Starts a stream. */
void sernet_decider_reset(sernet_decider *decider);

/* Takes the next result. `drifts` says that the window is so unlike the training's speech that
 * its scores mean little: it is then not sure. */
void sernet_decide(sernet_decider *decider, const sernet_result *result, int drifts,
                   sernet_decision *decision);

/* Takes, in the place of a result, a window up to so many frames of the stream in which nobody
 * spoke. What is said next is not smoothed with what was said before. */
void sernet_decide_silence(sernet_decider *decider, uint64_t frames, sernet_decision *decision);

/* Ends the event that goes on, since the stream ends or has a gap. Only the events of the
 * decision mean something. */
void sernet_decide_end(sernet_decider *decider, sernet_decision *decision);

#ifdef __cplusplus
}
#endif

#endif
