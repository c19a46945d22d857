/* The native engine: computes an int8 network, one row of its input at a time.
 *
 * The generated sernet_model.c describes a network with the types below. The rows of each tensor
 * lie in a ring in the caller's state, only as high as the layers that read them need. No heap, no
 * recursion, no floating point; the bits are those of TensorFlow Lite Micro. */
#ifndef SERNET_ENGINE_H
#define SERNET_ENGINE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when the engine can no longer read earlier generated data. */
#define SERNET_ENGINE_VERSION 3

/* The instructions that the kernels use; with SERNET_PORTABLE only plain C. */
#if !defined(SERNET_PORTABLE) && defined(__ARM_FEATURE_MVE)
#define SERNET_HELIUM 1
#elif !defined(SERNET_PORTABLE) && defined(__ARM_FEATURE_DSP)
#define SERNET_DSP 1
#endif

/* 32 weights: 16 of one output channel (a) and 16 of the next (b), in the order in which the kernel
 * reads them: Helium takes 16 at a time, other cores 4. With the DSP extension, a and b are one
 * number of 16 bits, 256 a + b, so one sum holds the sums of both channels. */
#ifdef SERNET_HELIUM
#define SERNET_WEIGHTS(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0,   \
                       b1, b2, b3, b4, b5, b6, b7, b8, b9, b10, b11, b12, b13, b14, b15)           \
    a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, b0, b1, b2, b3, b4, b5,  \
        b6, b7, b8, b9, b10, b11, b12, b13, b14, b15
#elif defined(SERNET_DSP)
#define SERNET_BOTH(a, b) b, SERNET_HIGH_BYTE(a, b)
#define SERNET_HIGH_BYTE(a, b) ((a) - ((b) < 0) + ((a) == -128 && (b) < 0) * 256)
/* The weights of a group are in the order 0 2 1 3. */
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

/* Return values of functions: 0 or more, or an error. */
enum {
    SERNET_OK = 0,
    SERNET_READY = 1,           /* the window's output is ready */
    SERNET_ERROR_NULL = -1,     /* a pointer is null */
    SERNET_ERROR_ALIGN = -2,    /* the state is not aligned to SERNET_STATE_ALIGN bytes */
    SERNET_ERROR_SIZE = -3,     /* the state is too small */
    SERNET_ERROR_STATE = -4,    /* the state was not initialised, or was overwritten */
    SERNET_ERROR_CONTRACT = -5, /* the program has files of two different models */
    SERNET_ERROR_EMPTY = -6,    /* a push without samples */
    SERNET_ERROR_FEATURES = -7, /* the self-test's features differ by more than 1 */
    SERNET_ERROR_DAMAGED = -8,  /* a head's block is damaged, or has another version */
    SERNET_ERROR_MODEL = -9     /* the head is for another model, or this model cannot load one */
};

#define SERNET_STATE_ALIGN 8

/* The assembly kernels load weights in pairs of words, so weights must be aligned. */
#ifdef __GNUC__
#define SERNET_ALIGNED __attribute__((aligned(16)))
#else
#define SERNET_ALIGNED
#endif

/* Text before the definition of each array of weights, which can place them in a memory of your
 * choice, such as __attribute__((section(".qspi"))). */
#ifndef SERNET_WEIGHTS_SECTION
#define SERNET_WEIGHTS_SECTION
#endif

/* The same for the other tables: biases, multipliers and the layers themselves. */
#ifndef SERNET_TABLES_SECTION
#define SERNET_TABLES_SECTION
#endif

/* A section, in quotes, such as ".itcm", for the kernels that execute nearly all instructions. */
#ifdef SERNET_HOT_SECTION
#define SERNET_HOT __attribute__((section(SERNET_HOT_SECTION)))
#else
#define SERNET_HOT
#endif

typedef struct sernet_layer sernet_layer;

/* The arguments of a step of a layer. */
typedef struct {
    const sernet_layer *layers; /* of the whole network */
    const sernet_layer *layer;
    int8_t *arena;
    uint32_t step;
} sernet_step;

/* The kernels. Each layer points to its kernel, so a linker leaves out the unused ones. */
typedef void sernet_kernel(const sernet_step *step);
sernet_kernel sernet_conv; /* CONV_2D and FULLY_CONNECTED */
sernet_kernel sernet_conv_dilated;
sernet_kernel sernet_conv_copied; /* for weights in a slow memory */
sernet_kernel sernet_dense; /* FULLY_CONNECTED with one position, on long or several rows */
sernet_kernel sernet_depthwise; /* 4 input channels or more, 1 output each, weights above -128 */
sernet_kernel sernet_depthwise_multiple; /* the same with 2 to 17 outputs each */
sernet_kernel sernet_depthwise_any; /* any other depthwise convolution */
sernet_kernel sernet_average_pool;
sernet_kernel sernet_average_pool_2x2; /* kernels up to 2 x 2, limits -128 and 127 */
sernet_kernel sernet_average_pool_rows; /* takes in one of `join` rows at a time */
sernet_kernel sernet_max_pool;
sernet_kernel sernet_max_pool_rows;
sernet_kernel sernet_concatenate;
sernet_kernel sernet_add;      /* of two tensors of one shape */
sernet_kernel sernet_combine;  /* ADD and SUB with broadcasting or a constant */
sernet_kernel sernet_multiply; /* MUL, also with broadcasting or a constant */
sernet_kernel sernet_prelu;    /* PRELU with several slopes */
sernet_kernel sernet_mean;     /* MEAN and SUM */
sernet_kernel sernet_reduce_max;
sernet_kernel sernet_lookup; /* any function of one int8, such as RELU or LOGISTIC */
sernet_kernel sernet_softmax;
sernet_kernel sernet_log_softmax;
sernet_kernel sernet_matmul; /* BATCH_MATMUL */
sernet_kernel sernet_pad;
sernet_kernel sernet_stack;    /* CONCATENATION along time */
sernet_kernel sernet_collect;  /* joins rows: RESHAPE */
sernet_kernel sernet_arrange;  /* copies values of one row in another order: TRANSPOSE */
sernet_kernel sernet_slice;    /* leaves out rows; writes a state */
sernet_kernel sernet_crop;     /* leaves out rows, positions and channels */
sernet_kernel sernet_row_sums; /* sums of the last feature map's rows, for sernet_stream.c */

/* One layer and the tensor that it makes. */
struct sernet_layer {
    sernet_kernel *run; /* null for the input and for states, which windows hand on */
    uint8_t input_count;
    uint8_t wake_count; /* layers that may advance when this one has made a row */
    uint8_t waits; /* whether it runs only when its reader needs a row */
    uint8_t kernel_height, kernel_width; /* taps */
    uint8_t span_height;                 /* rows from the first tap to the last */
    uint8_t stride_height, stride_width;
    uint8_t pad_top, pad_left;
    uint8_t dilation_height, dilation_width;
    uint8_t group_start; /* lowest index of the layers that run because this one needs their rows */
    uint8_t quick;       /* CONV, DEPTHWISE: sums below 2^30, shifts -22..-1, limits -128 and 127 */
    uint8_t pixels;      /* CONV: positions whose columns of int16 fit the working memory; for
                            `sernet_conv_copied` besides the weights of a few channels */
    uint8_t over_width;  /* MEAN: reduces width, too */
    int8_t zero_point;   /* of the output */
    int8_t low, high;    /* limits of the output */
    uint16_t height, width, channels; /* of the output; 0 < height * join */
    uint16_t steps;                   /* in a window */
    uint16_t join;                    /* input rows, and steps, for each output row */
    uint16_t ring_rows;
    uint16_t part_groups;    /* CONV: groups of 4 taps that the DSP kernel may sum at once, because
                                sums of channels 0, 2, ... stay below 2^23; 0: a weight is -128 */
    uint32_t ring_offset;    /* bytes into the arena */
    uint32_t scratch_offset; /* bytes into the arena */
    const uint8_t *inputs;   /* (input_count + wake_count), indices of layers */
    const int8_t *weights;   /* CONV: SERNET_WEIGHTS of channel pairs; DEPTHWISE: (kernel height,
                                kernel width, channels), with `sernet_depthwise_multiple` (multiple,
                                kernel height, kernel width, input channels); LOOKUP: (256), from
                                -128; COMBINE, MULTIPLY and PRELU: a constant, if they have one;
                                states: the first values (height, width, channels), null: all are
                                the zero_point */
    const int32_t *bias;     /* CONV: (channels, rounded up to even); DEPTHWISE: (channels, padded
                                so that each block of 16 is complete), in the order of the weights;
                                others: see their kernels */
    const int32_t *multiplier; /* CONV, DEPTHWISE: the same sizes as `bias` */
    const int8_t *shift;       /* the same sizes; -31..31, negative to the right */
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

/* Starts the next window, like sernet_net_reset, but keeps the states of the network. Returns
 * SERNET_OK or an error. */
int sernet_net_next(const sernet_net *net, void *state);

/* Takes the next row, int8 (width, channels), without doing any work. All work for the rows before
 * it must be done. Ignores rows after a window's last one. Returns SERNET_OK or an error. */
int sernet_net_take(const sernet_net *net, void *state, const int8_t *row);

/* Does the next part of the work for the rows taken so far: one row of one layer, and rows of the
 * layers that wait for it. Returns 1 if it did work, 0 if it needs another row, or an error. */
int sernet_net_step(const sernet_net *net, void *state);

/* Takes the next row and does all its work. Returns SERNET_READY from the window's last row on,
 * SERNET_OK before, or an error. */
int sernet_net_push(const sernet_net *net, void *state, const int8_t *row);

/* Returns the output, int8 (height, width, channels); it is complete after SERNET_READY. */
const int8_t *sernet_net_output(const sernet_net *net, const void *state);

#ifdef __cplusplus
}
#endif

#endif
