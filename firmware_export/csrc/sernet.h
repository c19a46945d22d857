/* Emotion from speech: PCM in, one result a hop out.
 *
 *     SERNET_STATE(state);
 *     sernet_init(state, sizeof state);
 *     for (;;) {
 *         size_t count = ...next samples, as many as there are...;
 *         while (count > 0) {
 *             int32_t taken = sernet_push(state, pcm, count);
 *             if (taken < 0) ...an error...
 *             pcm += taken;
 *             count -= (size_t)taken;
 *             sernet_result result;
 *             while (sernet_poll(state, &result) == 1)
 *                 ...sernet_labels[result.label], result.scores...
 *         }
 *     }
 *
 * A result is about the last SERNET_WINDOW_FRAMES frames and comes every SERNET_EVERY_FRAMES;
 * results do not depend on how the audio is cut into pushes, nor on when they are polled for.
 *
 * `sernet_push` computes features; the network runs in `sernet_poll`, or before it in
 * `sernet_work`, a bounded part at a time, for those who must get back to the audio soon. If
 * neither is called, `sernet_push` first takes further audio, as far as that overwrites nothing
 * still needed, and then takes no more: it returns how many samples it took. Nothing is lost but
 * what the caller does not push again. Where windows share rows (SERNET_SHARES_ROWS), there is
 * room for SERNET_QUEUE_ROWS frames that the network has yet to take; elsewhere, from the time
 * when a result is due, for a hop.
 *
 * A state is for one thread at a time. No heap, no recursion, no global variables. */
#ifndef SERNET_H
#define SERNET_H

#include "sernet_frontend.h"
#include "sernet_model.h"

#ifdef SERNET_HEAD
#include "sernet_head.h"
#endif

#define SERNET_API_VERSION 1

/* Frames from one result to the next and the weight of earlier scores: the contract's, as
 * `sernet-edge listen` has them, or what `sernet-edge export --hop` was given, unless these are
 * defined for the whole program. */
#ifndef SERNET_EVERY_FRAMES
#ifdef SERNET_MODEL_HOP_ROWS
#define SERNET_EVERY_FRAMES SERNET_MODEL_HOP_ROWS
#else
#define SERNET_EVERY_FRAMES SERNET_HOP_FRAMES
#endif
#endif
#ifndef SERNET_SMOOTH
#define SERNET_SMOOTH SERNET_SMOOTHING
#endif

#if SERNET_EVERY_FRAMES < 1
#error "SERNET_EVERY_FRAMES must be 1 or more"
#endif
#if SERNET_STRIDE_FRAMES > 0
#if SERNET_EVERY_FRAMES % SERNET_STRIDE_FRAMES != 0 &&                                             \
    SERNET_STRIDE_FRAMES % SERNET_EVERY_FRAMES != 0
#error "SERNET_EVERY_FRAMES must be a multiple or a divisor of SERNET_STRIDE_FRAMES"
#endif
#endif

/* Whether the network computes each row once for all the windows that hold it (1), or each window
 * whole (0): what `sernet-edge export` said of the model. */
#ifdef SERNET_MODEL_STRIDE_ROWS
#define SERNET_SHARES_ROWS 1
#else
#define SERNET_SHARES_ROWS 0
#endif

#if SERNET_SHARES_ROWS
#if SERNET_MODEL_STRIDE_ROWS != SERNET_STRIDE_FRAMES
#error "sernet_model.h and sernet_contract.h are of different models: export again"
#endif
/* Frames whose features may wait for the network. */
#ifndef SERNET_QUEUE_ROWS
#define SERNET_QUEUE_ROWS 16
#endif
#if SERNET_QUEUE_ROWS < 1
#error "SERNET_QUEUE_ROWS must be 1 or more"
#endif
#endif

#if SERNET_MODEL_INPUT_ROWS != SERNET_WINDOW_FRAMES ||                                             \
    SERNET_MODEL_INPUT_ROW_BYTES != SERNET_FEATURE_COUNT ||                                        \
    SERNET_MODEL_OUTPUT_BYTES != SERNET_LABEL_COUNT
#error "sernet_model.h and sernet_contract.h are of different models: export again"
#endif

/* A program made for one model can say so by defining SERNET_EXPECT_CONTRACT_ID, for
 * instance as 0x0123456789abcdefULL, or SERNET_EXPECT_API_VERSION. */
#if defined(SERNET_EXPECT_CONTRACT_ID) && SERNET_EXPECT_CONTRACT_ID != SERNET_CONTRACT_ID_U64
#error "the program expects another model's contract than SERNET_CONTRACT_ID in sernet_contract.h"
#endif
#if defined(SERNET_EXPECT_API_VERSION) && SERNET_EXPECT_API_VERSION != SERNET_API_VERSION
#error "the program was written for another version of sernet.h"
#endif

/* Put before the definition of a state, to place it in a memory of your choice. */
#ifndef SERNET_STATE_SECTION
#define SERNET_STATE_SECTION
#endif

#ifdef SERNET_MEASURE_DRIFT
#include "sernet_drift.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What was found in one window. */
typedef struct {
    uint64_t frames;    /* of the stream, up to the window's end */
    uint16_t label;     /* of the highest smoothed score: sernet_labels[label] */
    uint16_t saturated; /* features of the window at a limit of their range; if there are many,
                           the audio is not like what the model was trained on */
    int8_t scores_int8[SERNET_LABEL_COUNT]; /* the network's, for this window alone */
    float scores[SERNET_LABEL_COUNT];       /* smoothed, 0..1, summing to about 1 */
#ifdef SERNET_MEASURE_DRIFT
    int32_t drift; /* how unlike the training's speech the window is: SERNET_DRIFTS(drift) */
#endif
} sernet_result;

/* Samples of the stream up to the window's end. */
#define SERNET_RESULT_SAMPLES(result)                                                              \
    (((result).frames - 1) * SERNET_FRAME_STEP_SAMPLES + SERNET_FRAME_LENGTH_SAMPLES)

/* A number of features in a row. */
#if SERNET_FEATURE_COUNT < 256
typedef uint8_t sernet_count;
#else
typedef uint16_t sernet_count;
#endif

/* Everything that is remembered between calls; its members are private. */
typedef struct {
    uint64_t mark;      /* tells a state that was initialised */
    uint64_t frames;    /* of the stream so far */
    uint32_t saturated; /* features at a limit in the window */
    uint32_t busy;      /* the network has work left of the row that it took last */
    uint32_t results;   /* 1 once there was a result; 0: no earlier scores to smooth with */
    float scores[SERNET_LABEL_COUNT]; /* smoothed */
#if SERNET_SHARES_ROWS
    uint32_t wanted;  /* rows that the network takes until a result is due */
    uint32_t waiting; /* rows that it has yet to take: how many, and where in `rows` the first is */
    uint32_t first;
    uint32_t newest; /* where in `counts` the next row's goes */
    uint32_t same;   /* rows in a row that are as the last one */
    uint32_t behind; /* of those, that the network has yet to take to be where a stride is */
    int8_t last[SERNET_FEATURE_COUNT];
    sernet_count counts[SERNET_WINDOW_FRAMES]; /* a ring: features at a limit in each row */
    sernet_kept rows[SERNET_QUEUE_ROWS][SERNET_FEATURE_COUNT]; /* a queue of features */
#else
    int32_t ahead;      /* frames since the end of the window in progress; below 0 before it */
    uint32_t fed;       /* rows of that window that the network has taken */
    uint32_t write_row; /* where in `rows` the next frame goes */
    uint32_t read_row;  /* where in `rows` the network's next row is */
    int32_t mean_level;
#if SERNET_LEVEL == SERNET_LEVEL_WINDOW
    int32_t levels[SERNET_WINDOW_FRAMES]; /* Q18, of `rows` */
#endif
    sernet_kept rows[SERNET_WINDOW_FRAMES][SERNET_FEATURE_COUNT]; /* a ring of features */
#endif
#ifdef SERNET_MEASURE_DRIFT
    sernet_drift_meter drift;
#endif
    sernet_frontend frontend;
#ifndef SERNET_MODEL_CALLER_BYTES
    sernet_bin bins[SERNET_POWERS]; /* elsewhere the network's memory has room for them */
#endif
    uint64_t net[(SERNET_MODEL_STATE_BYTES + 7) / 8];
#ifdef SERNET_HEAD
    sernet_head head;
#endif
} sernet_state;

#if defined(SERNET_MODEL_CALLER_BYTES) && SERNET_MODEL_CALLER_BYTES < SERNET_BIN_BYTES * SERNET_POWERS
#error "sernet_model.h and sernet_contract.h are of different models: export again"
#endif

#define SERNET_STATE_BYTES sizeof(sernet_state)

/* Defines memory for a state, aligned to SERNET_STATE_ALIGN. */
#define SERNET_STATE(name) SERNET_STATE_SECTION static uint64_t name[(SERNET_STATE_BYTES + 7) / 8]

/* Starts a stream. Errors: SERNET_ERROR_NULL, _ALIGN, _SIZE, and _CONTRACT when this header
 * is another model's than the library was compiled with. */
int sernet_init_contract(void *state, size_t bytes, uint64_t contract_id);
static inline int sernet_init(void *state, size_t bytes) {
    return sernet_init_contract(state, bytes, SERNET_CONTRACT_ID_U64);
}

/* Takes int16 samples (count) at SERNET_SAMPLE_RATE_HZ, mono, the continuation of those
 * before. Returns how many it took, less than `count` only when a result has to be polled
 * for first, or an error: SERNET_ERROR_NULL, _ALIGN, _STATE, _EMPTY. */
int32_t sernet_push(void *state, const int16_t *pcm, size_t count);

/* Does a bounded part of the network's work: takes a row of features, if it has done all that
 * the row before completed, and computes one row of one layer, and of those that wait for it.
 * (TensorFlow Lite Micro runs a whole window at its last row.) Returns 1 when there is more to do, 0 when more audio or a call to `sernet_poll` is needed first, or an error. */
int sernet_work(void *state);

/* Does all the work that is left and returns 1 with a result, 0 when it takes more audio to
 * come to one, or an error: SERNET_ERROR_NULL, _ALIGN, _STATE. */
int sernet_poll(void *state, sernet_result *result);

/* Returns how agitated the voice is, 0 (calm) to 1 (agitated): the scores of the emotions of high
 * arousal as a share of those and the scores of the emotions of low arousal. -1 where nobody
 * speaks (SERNET_LABEL_NONE) or the model lacks such emotions. */
static inline float sernet_arousal(const sernet_result *result) {
#if SERNET_HAS_AROUSAL
    static const int8_t sides[SERNET_LABEL_COUNT] = SERNET_AROUSAL_SIDES;
    float high = 0, low = 0;
    int i;
    if (result->label == SERNET_LABEL_NONE) return -1;
    for (i = 0; i < SERNET_LABEL_COUNT; i++) {
        if (sides[i] > 0) high += result->scores[i];
        if (sides[i] < 0) low += result->scores[i];
    }
    return high + low > 0 ? high / (high + low) : 0.5f;
#else
    (void)result;
    return -1;
#endif
}

#ifdef SERNET_HEAD
/* Takes a head that `sernet-edge teach --head FILE` wrote for this model, from the next window on.
 * It stays until `sernet_init`; the block may be let go. Errors: those of `sernet_head_load`, with
 * which the head stays as it was, and SERNET_ERROR_ALIGN, _STATE. */
int sernet_set_head(void *state, const uint8_t *block, size_t bytes);
#endif

/* Starts another stream, as after `sernet_init`. Errors: SERNET_ERROR_NULL, _ALIGN, _STATE. */
int sernet_reset(void *state);

#ifdef __cplusplus
}
#endif

#endif
