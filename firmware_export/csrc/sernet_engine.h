/* The row engine: an int8 network, one row of its input at a time.
 *
 * The generated sernet_model.c describes a network with the types below. Rows of every
 * tensor lie in rings in the caller's state, only as high as the layers that read them
 * need. No heap, no recursion, no floating point; the bits are TensorFlow Lite Micro's. */
#ifndef SERNET_ENGINE_H
#define SERNET_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when generated data of one version cannot be read by an engine of another. */
#define SERNET_ENGINE_VERSION 3

/* The instructions that the kernels use; SERNET_PORTABLE keeps to C. */
#if !defined(SERNET_PORTABLE) && defined(__ARM_FEATURE_MVE)
#define SERNET_HELIUM 1
#elif !defined(SERNET_PORTABLE) && defined(__ARM_FEATURE_DSP)
#define SERNET_DSP 1
#endif

/* 32 weights: 16 of one output channel (a) and the same 16 of the next (b), laid out as
 * the kernel reads them: Helium takes 16 at a time, the others 4. With the DSP extension a and b are
 * one number of 16 bits, 256 a + b, whose sums hold both channels'. */
#ifdef SERNET_HELIUM
#define SERNET_WEIGHTS(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0,   \
                       b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)           \
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0, b1, b2, b3, b4, b5,  \
        b6, b7, b8, b9, b10, b11, b12, b13, b14, b15
#elif defined(SERNET_DSP)
#define SERNET_BOTH(a, b) b, SERNET_HIGH_BYTE(a, b)
#define SERNET_HIGH_BYTE(a, b) ((a) - ((b) < 0) + ((a) == -128 && (b) < 0) * 256)
/* The lanes of a group are in the order 0 2 1 3. */
#define SERNET_FOUR(a0, a1, a2, a3, b0, b1, b2, b3)                                                \
    SERNET_BOTH(a0, b0), SERNET_BOTH(a2, b2), SERNET_BOTH(a1, b1), SERNET_BOTH(a3, b3)
#define SERNET_WEIGHTS(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0,   \
                       b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)           \
    SERNET_FOUR(a0, a1, a2, a3, b0, b1, b2, b3), SERNET_FOUR(a4, a5, a6, a7, b4, b5, b6, b7),      \
        SERNET_FOUR(a8, a9, a10, a11, b8, b9, b10, b11),                                           \
        SERNET_FOUR(a12, a13, a14, a15, b12, b13, b14, b15)
#else
#define SERNET_WEIGHTS(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0,   \
                       b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)           \
    a0, a1, a2, a3, b0, b1, b2, b3, a4, a5, a6, a7, b4, b5, b6, b7, a8, a9, a10, a11, b8, b9, b10, \
        b11, a12, a13, a14, a15, b12, b13, b14, b15
#endif

/* What functions return: 0 or more, or an error. */
enum {
    SERNET_OK = 0,
    SERNET_READY = 1,           /* the window's output is there */
    SERNET_ERROR_NULL = -1,     /* a null pointer was passed */
    SERNET_ERROR_ALIGN = -2,    /* the state is not aligned to SERNET_STATE_ALIGN bytes */
    SERNET_ERROR_SIZE = -3,     /* the state is smaller than it must be */
    SERNET_ERROR_STATE = -4,    /* the state was not initialised, or was overwritten */
    SERNET_ERROR_CONTRACT = -5, /* compiled from the files of two different models */
    SERNET_ERROR_EMPTY = -6,    /* a push of no samples */
    SERNET_ERROR_FEATURES = -7, /* the self-test's features differ by more than 1 */
    SERNET_ERROR_DAMAGED = -8,  /* a head's block is damaged, or of another version */
    SERNET_ERROR_MODEL = -9     /* a head for another model, or for none that can take one */
};

#define SERNET_STATE_ALIGN 8

/* The assembly kernels load weights in pairs of words; no other kernel needs them aligned. */
#ifdef __GNUC__
#define SERNET_ALIGNED __attribute__((aligned(16)))
#else
#define SERNET_ALIGNED
#endif

/* Put before the definition of each array of weights, to place them in a memory of your
 * choice, such as __attribute__((section(".qspi"))). */
#ifndef SERNET_WEIGHTS_SECTION
#define SERNET_WEIGHTS_SECTION
#endif

/* Likewise before the tables that are not weights: biases, multipliers and the layers themselves. */
#ifndef SERNET_TABLES_SECTION
#define SERNET_TABLES_SECTION
#endif

/* A section, in quotes, for the kernels that take nearly all of the instructions, such as ".itcm". */
#ifdef SERNET_HOT_SECTION
#define SERNET_HOT __attribute__((section(SERNET_HOT_SECTION)))
#else
#define SERNET_HOT
#endif

typedef struct sernet_layer sernet_layer;

/* What a step of a layer works on. */
typedef struct {
    const sernet_layer *layers; /* of the whole network */
    const sernet_layer *layer;
    int8_t *arena;
    uint32_t step;
} sernet_step;

/* The kernels. Layers point to theirs, so a linker leaves out what a network does not use. */
typedef void sernet_kernel(const sernet_step *step);
sernet_kernel sernet_conv; /* CONV_2D and FULLY_CONNECTED */
sernet_kernel sernet_conv_dilated;
sernet_kernel sernet_conv_copied; /* of weights in a slow memory */
sernet_kernel sernet_dense; /* FULLY_CONNECTED with one position, of long rows or of several */
sernet_kernel sernet_depthwise; /* a channel for each of 4 or more, weights above -128 */
sernet_kernel sernet_depthwise_multiple; /* 2 to 17 channels for each, likewise */
sernet_kernel sernet_depthwise_any;
sernet_kernel sernet_average_pool;
sernet_kernel sernet_average_pool_2x2; /* kernels up to 2 x 2, limits -128 and 127 */
sernet_kernel sernet_average_pool_rows; /* one of `join` rows at a time */
sernet_kernel sernet_max_pool;
sernet_kernel sernet_max_pool_rows;
sernet_kernel sernet_concatenate;
sernet_kernel sernet_add;      /* of two tensors of one shape */
sernet_kernel sernet_combine;  /* ADD and SUB with broadcasting or a constant */
sernet_kernel sernet_multiply; /* MUL, likewise */
sernet_kernel sernet_prelu;    /* PRELU with slopes that differ */
sernet_kernel sernet_mean;     /* MEAN and SUM */
sernet_kernel sernet_reduce_max;
sernet_kernel sernet_lookup; /* any function of one int8, such as RELU or LOGISTIC */
sernet_kernel sernet_softmax;
sernet_kernel sernet_log_softmax;
sernet_kernel sernet_matmul; /* BATCH_MATMUL */
sernet_kernel sernet_pad;
sernet_kernel sernet_stack;    /* CONCATENATION along time */
sernet_kernel sernet_collect;  /* joins rows: RESHAPE */
sernet_kernel sernet_arrange;  /* takes values of one row in another order: TRANSPOSE */
sernet_kernel sernet_slice;    /* leaves out rows; writes a state */
sernet_kernel sernet_crop;     /* leaves out rows, positions and channels */
sernet_kernel sernet_row_sums; /* of the last feature map, for sernet_stream.c */

/* One layer and the tensor it makes. */
struct sernet_layer {
    sernet_kernel *run; /* null for the input and for states, kept from window to window */
    uint8_t input_count;
    uint8_t wake_count; /* layers that may advance when this one has made a row */
    uint8_t waits; /* advances only when its reader wants a row */
    uint8_t kernel_height, kernel_width; /* taps */
    uint8_t span_height;                 /* rows from the first tap to the last */
    uint8_t stride_height, stride_width;
    uint8_t pad_top, pad_left;
    uint8_t dilation_height, dilation_width;
    uint8_t group_start; /* lowest index of the layers that run on this one's demand */
    uint8_t quick;       /* CONV, DEPTHWISE: sums are below 2^30, shifts -22..-1, limits -128 and 127 */
    uint8_t pixels;      /* CONV: positions whose columns of int16 fit the working memory, with
                            `sernet_conv_copied` beside the weights of a few channels */
    uint8_t over_width;  /* MEAN: reduces width, too */
    int8_t zero_point;   /* of the output */
    int8_t low, high;    /* limits of the output */
    uint16_t height, width, channels; /* of the output; 0 < height * join */
    uint16_t steps;                   /* in a window */
    uint16_t join;                    /* input rows, and steps, for each output row */
    uint16_t ring_rows;
    uint16_t part_groups;    /* CONV: of 4 taps, that the DSP kernel multiplies at once, since sums
                                of channels 0, 2, ... stay below 2^23; 0: some weight is -128 */
    uint32_t ring_offset;    /* bytes into the arena */
    uint32_t scratch_offset; /* bytes into the arena */
    const uint8_t *inputs;   /* (input_count + wake_count), indices of layers */
    const int8_t *weights;   /* CONV: SERNET_WEIGHTS of channel pairs; DEPTHWISE: (kernel height,
                                kernel width, channels), with `sernet_depthwise_multiple` (multiple,
                                kernel height, kernel width, input channels); LOOKUP: (256), from
                                -128; COMBINE, MULTIPLY and PRELU: a constant, if they have one;
                                states: what they hold first (height, width, channels), null:
                                zero_point */
    const int32_t *bias;     /* CONV: (channels, made even); DEPTHWISE: (channels, 16 from any block
                                on), in the order of the weights; others: see their kernels */
    const int32_t *multiplier; /* CONV, DEPTHWISE: likewise */
    const int8_t *shift;       /* CONV, DEPTHWISE: likewise; -31..31, negative to the right */
};

typedef struct {
    const sernet_layer *layers; /* the first is the input, the last makes the output */
    uint16_t layer_count;
    uint32_t arena_offset; /* bytes into the state */
    uint32_t state_bytes;
} sernet_net;

/* Starts the first window. `state` is the caller's, aligned to SERNET_STATE_ALIGN, `bytes` long.
 * Returns SERNET_OK or an error. */
int sernet_net_reset(const sernet_net *net, void *state, size_t bytes);

/* Starts the next window: as sernet_net_reset, but what the network keeps from one window to the
 * next stays. Returns SERNET_OK or an error. */
int sernet_net_next(const sernet_net *net, void *state);

/* Takes the next row, int8 (width, channels), of a state that was reset, before any of the work
 * that it allows; what the rows before it allowed must be done. Rows beyond a window are ignored.
 * Returns SERNET_OK or an error. */
int sernet_net_take(const sernet_net *net, void *state, const int8_t *row);

/* Does the next part of the work that the rows taken allow: one row of one layer, and of those
 * that wait for it. Returns 1 when it did one, 0 when another row is needed, or an error. */
int sernet_net_step(const sernet_net *net, void *state);

/* Takes the next row and does all the work that it allows. Returns SERNET_READY from the last
 * row on, SERNET_OK before, or an error. */
int sernet_net_push(const sernet_net *net, void *state, const int8_t *row);

/* Returns the output, int8 (height, width, channels); it is whole after SERNET_READY. */
const int8_t *sernet_net_output(const sernet_net *net, const void *state);

#ifdef __cplusplus
}
#endif

#endif
