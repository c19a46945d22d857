/* Emotion from speech: takes PCM and gives one result a hop.
 *
 *     SERNET_STATE(state);
 *     sernet_init(state, sizeof state);
 *     for (;;) {
 *         size_t count = ...the number of new samples, at pcm...;
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
 * A result describes the last SERNET_WINDOW_FRAMES frames, and comes every SERNET_EVERY_FRAMES
 * frames. Results do not depend on the number of samples in each push, nor on the time of a poll.
 *
 * `sernet_push` computes features. `sernet_poll` runs the network. A program that must look for
 * audio soon calls `sernet_work` first, which does a bounded part of the network's work. If the
 * program calls neither, `sernet_push` takes audio only as long as it has room, and returns how
 * many samples it took. Push the other samples again; then none is lost. With shared rows
 * (SERNET_SHARES_ROWS) there is room for SERNET_QUEUE_ROWS frames that the network has not taken
 * yet; with whole windows, from the time when a result is due, for one hop.
 *
 * Only one thread at a time may use a state. No heap, no recursion, no global variables. */
#ifndef SERNET_H
#define SERNET_H

#include "sernet_frontend.h"
#include "sernet_model.h"

#ifdef SERNET_HEAD
#include "sernet_head.h"
#endif

#define SERNET_API_VERSION 1

/* Frames from one result to the next, and the weight of earlier scores. The defaults are the
 * contract's, which `sernet-edge listen` uses, or the hop of `sernet-edge export --hop`. To change
 * them, define these macros for the whole program. */
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

/* 1: windows share rows, and the network computes each row once. 0: it computes whole windows.
 * `sernet-edge export` prints which one applies, and why. */
#ifdef SERNET_MODEL_STRIDE_ROWS
#define SERNET_SHARES_ROWS 1
#else
#define SERNET_SHARES_ROWS 0
#endif

#if SERNET_SHARES_ROWS
#if SERNET_MODEL_STRIDE_ROWS != SERNET_STRIDE_FRAMES
#error "sernet_model.h and sernet_contract.h are of different models: export again"
#endif
/* The number of frames whose features may wait for the network. */
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

/* A program for one model only can define SERNET_EXPECT_CONTRACT_ID, for instance as
 * 0x0123456789abcdefULL, or SERNET_EXPECT_API_VERSION; then it compiles with no other. */
#if defined(SERNET_EXPECT_CONTRACT_ID) && SERNET_EXPECT_CONTRACT_ID != SERNET_CONTRACT_ID_U64
#error "the program expects another model's contract than SERNET_CONTRACT_ID in sernet_contract.h"
#endif
#if defined(SERNET_EXPECT_API_VERSION) && SERNET_EXPECT_API_VERSION != SERNET_API_VERSION
#error "the program was written for another version of sernet.h"
#endif

/* Text before the definition of a state, which can place it in a memory of your choice. */
#ifndef SERNET_STATE_SECTION
#define SERNET_STATE_SECTION
#endif

#ifdef SERNET_MEASURE_DRIFT
#include "sernet_drift.h"
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* The result for one window. */
typedef struct {
    uint64_t frames;    /* of the stream, up to the window's end */
    uint16_t label;     /* of the highest smoothed score: sernet_labels[label] */
    uint16_t saturated; /* number of the window's features at a limit of their range; if it is
                           large, the audio differs from the training's */
    int8_t scores_int8[SERNET_LABEL_COUNT]; /* the network's scores for this window alone */
    float scores[SERNET_LABEL_COUNT];       /* smoothed, 0..1, with a sum of about 1 */
#ifdef SERNET_MEASURE_DRIFT
    int32_t drift; /* how unlike the training's speech the window is; see SERNET_DRIFTS */
#endif
} sernet_result;

/* Samples of the stream up to the window's end. */
#define SERNET_RESULT_SAMPLES(result)                                                              \
    (((result).frames - 1) * SERNET_FRAME_STEP_SAMPLES + SERNET_FRAME_LENGTH_SAMPLES)

/* The type of a count of features in one row. */
#if SERNET_FEATURE_COUNT < 256
typedef uint8_t sernet_count;
#else
typedef uint16_t sernet_count;
#endif

/* All data between calls; the members are private. */
typedef struct {
    uint64_t mark;      /* marks an initialised state */
    uint64_t frames;    /* of the stream so far */
    uint32_t saturated; /* features at a limit in the window */
    uint32_t busy;      /* whether work remains for the row that the network took last */
    uint32_t results;   /* 1 after the first result; 0: there are no earlier scores */
    float scores[SERNET_LABEL_COUNT]; /* smoothed */
#if SERNET_SHARES_ROWS
    uint32_t wanted;  /* rows that the network takes until a result is due */
    uint32_t waiting; /* rows in the queue `rows` */
    uint32_t first;   /* place in `rows` of the first of them */
    uint32_t newest;  /* place in `counts` of the next row's count */
    uint32_t same;    /* number of equal rows, one after the other, up to the last one */
    uint32_t behind;  /* rows left out since the last whole stride; see sernet_shared_rows.c */
    int8_t last[SERNET_FEATURE_COUNT];         /* the last row that the network took */
    sernet_count counts[SERNET_WINDOW_FRAMES]; /* a ring: features at a limit in each row */
    sernet_kept rows[SERNET_QUEUE_ROWS][SERNET_FEATURE_COUNT]; /* a queue of features */
#else
    int32_t ahead;      /* frames since the end of the window in progress; negative before it */
    uint32_t fed;       /* rows of that window that the network has taken */
    uint32_t write_row; /* place in `rows` of the next frame */
    uint32_t read_row;  /* place in `rows` of the network's next row */
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
    sernet_bin bins[SERNET_POWERS]; /* otherwise they share the network's memory */
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

/* Starts a stream. Errors: SERNET_ERROR_NULL, _ALIGN, _SIZE, and _CONTRACT if the library was
 * compiled with another model's header. */
int sernet_init_contract(void *state, size_t bytes, uint64_t contract_id);
static inline int sernet_init(void *state, size_t bytes) {
    return sernet_init_contract(state, bytes, SERNET_CONTRACT_ID_U64);
}

/* Takes the next int16 samples (count) of the stream, mono, at SERNET_SAMPLE_RATE_HZ. Returns how
 * many it took, or an error: SERNET_ERROR_NULL, _ALIGN, _STATE, _EMPTY. If it took fewer than
 * `count`, call `sernet_poll` first. */
int32_t sernet_push(void *state, const int16_t *pcm, size_t count);

/* Does a bounded part of the network's work. If no work remains for the rows before, it takes the
 * next row of features. Then it computes one row of one layer, and rows of the layers that wait
 * for it. (TensorFlow Lite Micro runs a whole window at its last row.) Returns 1 if work remains,
 * 0 if it needs more audio or a call of `sernet_poll` first, or an error. */
int sernet_work(void *state);

/* Does all the remaining work. Returns 1 with a result, 0 if it needs more audio, or an error:
 * SERNET_ERROR_NULL, _ALIGN, _STATE. */
int sernet_poll(void *state, sernet_result *result);

/* Returns how agitated the voice is, 0 (calm) to 1 (agitated): the sum of the scores of high
 * arousal, divided by the sum of the scores of high and of low arousal. Returns -1 if nobody
 * speaks (SERNET_LABEL_NONE), or if the model has no emotions of high and low arousal. */
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
/* Loads a head that `sernet-edge teach --head FILE` wrote for this model. The network uses it from
 * the next window on, until `sernet_init`. The function copies the block, so the caller may free
 * it. Errors: those of `sernet_head_load`, and SERNET_ERROR_ALIGN, _STATE; after an error the
 * current head stays. */
int sernet_set_head(void *state, const uint8_t *block, size_t bytes);
#endif

/* Starts another stream; a loaded head stays. Errors: SERNET_ERROR_NULL, _ALIGN, _STATE. */
int sernet_reset(void *state);

#ifdef __cplusplus
}
#endif

#endif
