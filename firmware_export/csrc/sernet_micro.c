/* The TensorFlow Lite Micro frontend, to the bit. sernet-edge's runtime/micro_frontend.py and
 * runtime/micro_fft.py explain the computation; the tables are in the generated sernet_contract.c.
 * Of the frames before, a frame's features depend only on `noise`. */
#include "sernet_micro.h"

#include "sernet_fixed.h"

enum {
    POINTS = SERNET_FFT_SIZE / 2, /* points of the complex transform */
    FIRST_RADIX = SERNET_FFT_LOG2 % 2 == 0 ? 2 : 4,
    BLOCKS_LOG2 = SERNET_FFT_LOG2 - (SERNET_FFT_LOG2 % 2 == 0 ? 2 : 3), /* in the first stage */
    HALF = 32767 / 2, /* Q15; each stage divides by its radix */
    QUARTER = 32767 / 4,
    WEIGHT_BITS = 12,
    NOISE_BITS = 14,
    LOG_BITS = 16,
    SEGMENT_BITS = 7, /* log2 of the segments of the table of logarithms */
    LN_2 = 45426,     /* Q16 */
    SNR_BITS = 12,
    OUTPUT_BITS = 6 /* binary places of PCAN's output */
};

/* A complex number. In memory its parts have 16 bits and wrap around. A stage divides the values by
 * its radix first, so that no intermediate value leaves 16 bits: in a transform of four points the
 * values are at most 8191, their products with a factor 16,382 and the first sums 24,573. */
typedef struct {
    int32_t re, im;
} value;

static inline value get(const sernet_bin *bin) {
    const value x = {bin->part[0], bin->part[1]};
    return x;
}

static inline void put(sernet_bin *bin, value x) {
    bin->part[0] = (int16_t)x.re;
    bin->part[1] = (int16_t)x.im;
}

static inline value plus(value a, value b) {
    const value sum = {a.re + b.re, a.im + b.im};
    return sum;
}

static inline value minus(value a, value b) {
    const value difference = {a.re - b.re, a.im - b.im};
    return difference;
}

/* Turns a product of two Q15 numbers into Q15. */
static inline int32_t rounded(int32_t product) { return (product + (1 << 14)) >> 15; }

static inline value scaled(value x, int32_t factor) {
    const value product = {rounded(x.re * factor), rounded(x.im * factor)};
    return product;
}

static inline value turned(value x, const int16_t *w) {
    const value product = {rounded(x.re * w[0] - x.im * w[1]), rounded(x.re * w[1] + x.im * w[0])};
    return product;
}

/* The transform of four points. */
static inline void put_four(sernet_bin *out, uint32_t step, value a, value b, value c, value d) {
    const value even = plus(a, c), difference = minus(a, c), odd = plus(b, d), rest = minus(b, d);
    const value back = {rest.im, -rest.re};
    put(out, plus(even, odd));
    put(out + step, plus(difference, back));
    put(out + 2 * step, minus(even, odd));
    put(out + 3 * step, minus(difference, back));
}

typedef struct {
    const int16_t *samples;
    uint32_t oldest;
    uint32_t shift;
} source;

/* Sample n times the window function; 0 after the frame's end. */
static inline int32_t windowed(const source *from, uint32_t n) {
    const uint32_t length = SERNET_FRAME_LENGTH_SAMPLES;
    if (n >= length) return 0;
    const uint32_t at = from->oldest + n;
    return (from->samples[at < length ? at : at - length] * sernet_window[n]) >> WEIGHT_BITS;
}

static inline int32_t shifted(const source *from, uint32_t n) {
    return (int16_t)(uint16_t)((uint32_t)windowed(from, n) << from->shift);
}

/* The bitwise or of the absolute values of `count` windowed samples. */
static inline uint32_t bits_of(const int16_t *samples, const int16_t *weights, uint32_t count) {
    uint32_t bits = 0;
    for (uint32_t n = 0; n < count; n++) {
        const int32_t x = (samples[n] * weights[n]) >> WEIGHT_BITS;
        bits |= (uint32_t)(x < 0 ? -x : x);
    }
    return bits;
}

/* The number of bits by which the windowed samples can be shifted left. */
static uint32_t shift_of(const source *from) {
    const uint32_t early = SERNET_FRAME_LENGTH_SAMPLES - from->oldest;
    const uint32_t bits = bits_of(from->samples + from->oldest, sernet_window, early) |
                          bits_of(from->samples, sernet_window + early, from->oldest);
    /* The absolute value of -32768 does not fit 16 bits; like the original, ignore it. */
    return (bits & INT16_MAX) == 0 ? 15 : sernet_leading_zeros(bits & INT16_MAX) - 17;
}

/* The index in the input of a block's first value: the base-4 digits of the block's number in
 * reverse order. */
static inline uint32_t first_of(uint32_t block) {
    uint32_t index = 0;
    for (uint32_t place = 0, digit = BLOCKS_LOG2; digit > 0; place += 2) {
        digit -= 2;
        index += (block >> digit & 3) << place;
    }
    return index;
}

static inline value input(const source *from, uint32_t n) {
    const value x = {shifted(from, 2 * n), shifted(from, 2 * n + 1)};
    return scaled(x, FIRST_RADIX == 2 ? HALF : QUARTER);
}

/* The first stage, in which all factors are 1. */
static void first_stage(const source *from, sernet_bin *bins) {
    for (uint32_t block = 0; block < POINTS / FIRST_RADIX; block++) {
        sernet_bin *out = &bins[block * FIRST_RADIX];
        const uint32_t n = first_of(block), apart = POINTS / FIRST_RADIX;
        const value a = input(from, n), b = input(from, n + apart);
        if (FIRST_RADIX == 2) {
            put(out, plus(a, b));
            put(out + 1, minus(a, b));
        } else {
            put_four(out, 1, a, b, input(from, n + 2 * apart), input(from, n + 3 * apart));
        }
    }
}

/* Combines every four transforms of `points` points into one of 4 * `points`. */
static inline void stage(sernet_bin *bins, uint32_t points) {
    const uint32_t step = POINTS / 4 / points;
    for (uint32_t k = 0; k < points; k++) {
        const int16_t *w = sernet_turns[k * step], *w2 = sernet_turns[2 * k * step];
        const int16_t *w3 = sernet_turns[3 * k * step];
        for (uint32_t first = k; first < POINTS; first += 4 * points) {
            sernet_bin *x = &bins[first];
            const value a = scaled(get(x), QUARTER);
            const value b = turned(scaled(get(x + points), QUARTER), w);
            const value c = turned(scaled(get(x + 2 * points), QUARTER), w2);
            const value d = turned(scaled(get(x + 3 * points), QUARTER), w3);
            put_four(x, points, a, b, c, d);
        }
    }
}

static inline uint32_t power_of(int32_t re, int32_t im) {
    const int32_t x = re >> 1, y = im >> 1;
    return (uint32_t)(x * x) + (uint32_t)(y * y);
}

int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins) {
    (void)before;
    source from = {frame->samples, oldest, 0};
    from.shift = shift_of(&from);
    first_stage(&from, bins);
    for (uint32_t points = FIRST_RADIX; points < POINTS; points *= 4) stage(bins, points);
    /* Bins k and POINTS - k of the real transform; for the middle bin both are the same. */
    for (uint32_t k = 1; k <= POINTS / 2; k++) {
        sernet_bin *near = &bins[k], *far = &bins[POINTS - k];
        const value x = get(far), mirrored = {x.re, (int16_t)-x.im};
        const value a = scaled(get(near), HALF), b = scaled(mirrored, HALF);
        const value even = plus(a, b), turn = turned(minus(a, b), sernet_parting[k - 1]);
        const value odd = {(int16_t)turn.re, (int16_t)turn.im};
        near->power = power_of(even.re + odd.re, even.im + odd.im);
        far->power = power_of(even.re - odd.re, odd.im - even.im);
    }
    bins[0].power = 0;
    return (int32_t)from.shift;
}

/* The square root, rounded to the nearest; for a 32-bit x at most 65535, like the original. */
static uint32_t root_of(uint64_t x) {
    /* Two bits of x give one bit of the root. Sums of powers are below 2^58, so 32 bits are enough
     * for the remainder. */
    uint32_t root = 0, rest = 0;
    for (int32_t shift = 32; shift >= 0; shift -= 32) {
        uint32_t bits = (uint32_t)(x >> shift), count = 16;
        if (root == 0) {
            if (bits == 0) continue;
            const uint32_t zeros = sernet_leading_zeros(bits) / 2;
            bits <<= 2 * zeros;
            count -= zeros;
        }
        for (; count > 0; count--, bits <<= 2) {
            rest = rest << 2 | bits >> 30;
            const uint32_t part = 4 * root + 1;
            root *= 2;
            if (rest < part) continue;
            rest -= part;
            root++;
        }
    }
    return root + (rest > root && (root != UINT16_MAX || x > UINT32_MAX));
}

#ifdef SERNET_PCAN_SHIFT

/* The gain for a noise estimate: a parabola in each interval between powers of two. */
static uint32_t gain_of(uint32_t noise) {
    const uint32_t bits = noise == 0 ? 0 : 32 - sernet_leading_zeros(noise);
    const int16_t *p = sernet_pcan_gains[bits];
    const uint32_t place = bits < 11 ? noise << (11 - bits) : noise >> (bits - 11);
    const int32_t fraction = (int32_t)(place & 0x3ff);
    const int32_t slope = ((p[2] * fraction) >> 5) + p[1] * 32;
    /* A negative value becomes a large number, like in the original. */
    return (uint32_t)(int16_t)(p[0] + ((slope * fraction + (1 << 14)) >> 15));
}

/* A signal times the gain, compressed. */
static uint32_t gained(uint32_t signal, uint32_t noise) {
    const uint32_t ratio = (uint32_t)(((uint64_t)signal * gain_of(noise)) >> SERNET_PCAN_SHIFT);
    if (ratio < 2u << SNR_BITS) return (ratio * ratio) >> (2 + 2 * SNR_BITS - OUTPUT_BITS);
    return (ratio >> (SNR_BITS - OUTPUT_BITS)) - (1u << OUTPUT_BITS);
}

#endif

/* ln(signal * 2^correction) */
static uint32_t logarithm_of(uint32_t signal) {
#if SERNET_MICRO_CORRECTION >= 0
    const uint32_t x = signal << SERNET_MICRO_CORRECTION;
#else
    const uint32_t x = signal >> -SERNET_MICRO_CORRECTION;
#endif
    if (x <= 1) return 0;
    const uint32_t whole = 31 - sernet_leading_zeros(x), above = x - ((uint32_t)1 << whole);
    const uint32_t place =
        whole < LOG_BITS ? above << (LOG_BITS - whole) : above >> (whole - LOG_BITS);
    const uint32_t width = LOG_BITS - SEGMENT_BITS, segment = place >> width;
    const int32_t low = sernet_micro_logs[segment], high = sernet_micro_logs[segment + 1];
    const int32_t between = (int32_t)(place - (segment << width));
    const uint32_t part = place + (uint32_t)(low + (((high - low) * between) >> LOG_BITS));
    const uint32_t log2 = (whole << LOG_BITS) + part, half = 1u << (LOG_BITS - 1);
    const uint32_t log = (uint32_t)(((uint64_t)LN_2 * log2 + half) >> LOG_BITS);
    return ((log << SERNET_MICRO_SCALE_SHIFT) + half) >> LOG_BITS;
}

/* The model's input for an output of the frontend, by binary search in the table of starts. */
static int8_t input_of(uint32_t output) {
    uint32_t count = 0;
    for (uint32_t step = 128; step > 0; step /= 2)
        if (output >= sernet_micro_starts[count + step - 1]) count += step;
    return (int8_t)((int32_t)count - 128);
}

/* Subtracts the noise from a signal, after updating the noise estimate. */
static uint32_t cleaned(uint32_t signal, uint32_t *noise, uint32_t weight) {
    const uint32_t one = (uint32_t)1 << NOISE_BITS;
    const uint32_t fine = signal << SERNET_MICRO_SMOOTHING_BITS;
    const uint64_t sum = (uint64_t)fine * weight + (uint64_t)*noise * (one - weight);
    *noise = (uint32_t)(sum >> NOISE_BITS);
    const uint32_t left = (fine - (*noise < fine ? *noise : fine)) >> SERNET_MICRO_SMOOTHING_BITS;
    const uint32_t least = (uint32_t)(((uint64_t)signal * SERNET_MICRO_LEAST) >> NOISE_BITS);
    return left > least ? left : least;
}

void sernet_micro_row(const sernet_bin *bins, uint32_t shift, uint32_t *noise, int8_t *row) {
    uint64_t rising = 0;
    const uint16_t(*weights)[2] = sernet_micro_weights;
    const sernet_bin *bin = &bins[SERNET_MICRO_FIRST_BIN];
    for (uint32_t run = 0; run <= SERNET_FEATURE_COUNT; run++) {
        uint64_t sum = rising;
        rising = 0;
        for (; bin < &bins[sernet_micro_ends[run]]; bin++, weights++) {
            sum += (uint64_t)bin->power * (*weights)[0];
            rising += (uint64_t)bin->power * (*weights)[1];
        }
        if (run == 0) continue;
        const uint32_t channel = run - 1;
        const uint32_t weight = channel % 2 == 0 ? SERNET_MICRO_EVEN : SERNET_MICRO_ODD;
        uint32_t signal = cleaned(root_of(sum) >> shift, &noise[channel], weight);
#ifdef SERNET_PCAN_SHIFT
        signal = gained(signal, noise[channel]);
#endif
        row[channel] = input_of(logarithm_of(signal));
    }
}
