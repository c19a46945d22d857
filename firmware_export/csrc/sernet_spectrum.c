/* A complex FFT of N/2 points computes the real FFT of N points: even samples are its real parts,
 * odd samples its imaginary parts. Its bins k and N/2 - k then give the bins of the real FFT.
 *
 * The complex FFT is a conjugate-pair FFT of radix 4. It computes the spectrum X of N points from
 * four spectra of N/4 points: U of x[4n], V of x[4n + 2], P of x[4n + 1] and M of x[4n - 1]:
 *
 *     X[k] = U + w^2 V + w P + w^-1 M, w = e^(-2 pi i k / N)
 *
 * So P and M share a factor, and the factors of k and k + N/8 lie in the first quarter of a
 * table of sines. Each stage divides by its radix, so absolute values never grow. The last stage
 * divides only by 2, because the mean of the window function is 1/2. */
#include "sernet_spectrum.h"

#include "sernet_fixed.h"

/* log2 of the size of the transforms before the first stage of radix 4. */
#if SERNET_FFT_LOG2 % 2 == 0
#define BASE_LOG2 3
#else
#define BASE_LOG2 2
#endif

enum { BASE = 1 << BASE_LOG2, BLOCKS = SERNET_BINS / BASE, QUARTER = SERNET_FFT_SIZE / 4 };

typedef struct {
    int32_t re, im;
} value;

/* e^(-i angle), a fraction; Q31 in the table */
typedef struct {
    int32_t cosine, sine;
} twiddle;

static inline value get(const sernet_bin *bin) {
    const value x = {bin->part[0], bin->part[1]};
    return x;
}

static inline void put(sernet_bin *bin, int32_t re, int32_t im) {
    bin->part[0] = re;
    bin->part[1] = im;
}

static inline value plus(value a, value b) {
    const value sum = {a.re + b.re, a.im + b.im};
    return sum;
}

static inline value minus(value a, value b) {
    const value difference = {a.re - b.re, a.im - b.im};
    return difference;
}

/* w x, with w in Q32 */
static inline value turned(value x, twiddle w) {
    const value product = {
        sernet_high_plus(sernet_high(x.re, w.cosine), x.im, w.sine),
        sernet_high_minus(sernet_high(x.im, w.cosine), x.re, w.sine),
    };
    return product;
}

/* x times the complex conjugate of w, with w in Q32 */
static inline value turned_back(value x, twiddle w) {
    const value product = {
        sernet_high_minus(sernet_high(x.re, w.cosine), x.im, w.sine),
        sernet_high_plus(sernet_high(x.im, w.cosine), x.re, w.sine),
    };
    return product;
}

/* log2 of the gain with which the loudest sample of a frame, or the sample before the frame, uses
 * all of 15 bits. */
static uint32_t doublings_of(const sernet_frame *frame, int32_t before) {
    /* Above the highest bit in which two neighbouring bits differ, all bits equal the sign. */
    uint32_t changes = (uint32_t)before ^ ((uint32_t)before << 1);
    for (uint32_t n = 0; n < SERNET_FRAME_LENGTH_SAMPLES / 2; n++)
        changes |= frame->pairs[n] ^ (frame->pairs[n] << 1);
    changes = (changes | changes >> 16) & 0xffff;
    return changes == 0 ? 15 : sernet_leading_zeros(changes) - 16;
}

/* The place of a sample in the ring of a frame's samples. */
static inline uint32_t wrapped(uint32_t at) {
    const uint32_t length = SERNET_FRAME_LENGTH_SAMPLES;
    /* A division by a power of two is cheap. */
    return (length & (length - 1)) == 0 ? at % length : at < length ? at : at - length;
}

typedef struct {
    const int16_t *samples;
    uint32_t oldest;
    int32_t gain;
    int32_t before; /* the sample before the oldest one */
} source;

/* A sample times the gain; with pre-emphasis, after subtracting a part of the sample before it, and
 * halved. */
static inline int32_t amplified(const source *from, int32_t sample, int32_t before) {
#ifdef SERNET_PREEMPHASIS_Q31
    return sernet_high_minus(sample * (from->gain / 2), before * from->gain,
                             SERNET_PREEMPHASIS_Q31);
#else
    (void)before;
    return sample * from->gain;
#endif
}

/* Samples n and n + 1, n even, times the window function; 0 after the frame's end.
 *
 *     is_late (1) whether n lies in the second half of the transform's samples */
static inline value windowed(const source *from, uint32_t n, int is_late) {
    const uint32_t length = SERNET_FRAME_LENGTH_SAMPLES;
    value x = {0, 0};
    if (length < SERNET_FFT_SIZE && n >= length) return x;
    const int is_falling = length == SERNET_FFT_SIZE ? is_late : n >= length / 2;
    const int32_t *weight = &sernet_window[is_falling ? SERNET_WINDOW_MIRROR - n : n];
    const uint32_t at = wrapped(from->oldest + n);
    /* With an even step the frame's oldest sample has an even place, so n + 1 does not wrap. */
    const uint32_t next = SERNET_FRAME_STEP_SAMPLES % 2 == 0 ? at + 1 : wrapped(at + 1);
    const int32_t now = from->samples[at];
    const int32_t before = n == 0 ? from->before : from->samples[at == 0 ? length - 1 : at - 1];
    x.re = sernet_high(amplified(from, now, before), weight[0]);
    x.im = sernet_high(amplified(from, from->samples[next], now),
                       is_falling ? weight[-1] : weight[1]);
    return x;
}

/* The index of a block's first value; a negative index counts from the transform's end. */
static inline int32_t first_of(uint32_t block) {
    int32_t index = 0, step = 1;
    for (uint32_t radix = BLOCKS / 4; radix > 0; radix /= 4, step *= 4) {
        /* 0, 2, 1, -1 */
        const uint32_t digit = block / radix % 4;
        index += digit == 3 ? -step : (int32_t)((digit << 1 | digit >> 1) % 4) * step;
    }
    return index;
}

/* The sum and the difference of value n of the first half of the transform and the value at the
 * same place in the second half. */
static inline void add_later(const source *from, uint32_t n, value *sum, value *difference) {
    const value early = windowed(from, 2 * n, 0), late = windowed(from, 2 * n + SERNET_BINS, 1);
    *sum = plus(early, late);
    *difference = minus(early, late);
}

/* The same for a block's first value, with an index from `first_of`. */
static inline void add_later_to_first(const source *from, int32_t n, value *sum,
                                      value *difference) {
    add_later(from, (uint32_t)(n < 0 ? n + SERNET_BINS / 2 : n), sum, difference);
    if (n < 0) {
        difference->re = -difference->re;
        difference->im = -difference->im;
    }
}

/* Completes a transform of four points: a and b are the sum and the difference of the even points,
 * c and d those of the odd points. */
static inline void put_four(sernet_bin *out, uint32_t step, value a, value b, value c, value d) {
    put(out, a.re + c.re, a.im + c.im);
    put(out + step, b.re + d.im, b.im - d.re);
    put(out + 2 * step, a.re - c.re, a.im - c.im);
    put(out + 3 * step, b.re - d.im, b.im + d.re);
}

/* x sqrt(1/2), computed as x - 0.29 x. */
static inline int32_t shrunk(int32_t x) { return sernet_high_minus(x, x, 1257966797); }

/* The transform of the values n, n + BLOCKS, ... */
static void base(const source *from, int32_t n, sernet_bin *out) {
    value sums[BASE / 2], differences[BASE / 2];
    add_later_to_first(from, n, &sums[0], &differences[0]);
    for (int32_t m = 1; m < BASE / 2; m++)
        add_later(from, (uint32_t)(n + m * BLOCKS), &sums[m], &differences[m]);
#if BASE_LOG2 == 2
    put_four(out, 1, sums[0], differences[0], sums[1], differences[1]);
#else
    put_four(out, 2, plus(sums[0], sums[2]), minus(sums[0], sums[2]), plus(sums[1], sums[3]),
             minus(sums[1], sums[3]));
    /* Multiply by the factors for 0, 1/8, 2/8 and 3/8 of the circle. */
    const value a = differences[0], b = differences[1], c = differences[2], d = differences[3];
    const value f = {shrunk(b.im + b.re), shrunk(b.im - b.re)};
    const value g = {c.im, -c.re}, h = {shrunk(d.im - d.re), shrunk(-d.im - d.re)};
    put_four(out + 1, 2, plus(a, g), minus(a, g), plus(f, h), minus(f, h));
#endif
}

/* Computes the spectrum of N points, at k and at k plus multiples of N/4, from U, V, P and M, which
 * lie `apart` bins from each other. The result is divided by 2^shift, like the factors.
 *
 *     v (1) V, multiplied by w^2 */
static inline void butterfly(sernet_bin *bins, uint32_t apart, value v, twiddle w, int32_t shift) {
    const int32_t rounding = 1 << (shift - 1);
    const value u = {(bins->part[0] + rounding) >> shift, (bins->part[1] + rounding) >> shift};
    const value p = turned(get(bins + 2 * apart), w), m = turned_back(get(bins + 3 * apart), w);
    put_four(bins, apart, plus(u, v), minus(u, v), plus(p, m), minus(p, m));
}

/* Combines every four spectra of `points` points into one of 4 * `points`, divided by 2^shift. */
SERNET_INLINE void stage(sernet_bin *bins, uint32_t points, int32_t shift) {
    const uint32_t step = QUARTER / points;
    for (uint32_t k = 0; k < points / 2; k++) {
        const int32_t *up = &sernet_sine[k * step], *down = &sernet_sine[QUARTER / 2 - k * step];
        const int32_t *squared = &sernet_sine[2 * k * step], halving = shift - 1;
        const twiddle w = {down[QUARTER / 2] >> halving, up[0] >> halving};
        const twiddle later = {down[0] >> halving, up[QUARTER / 2] >> halving};
        const twiddle w2 = {sernet_sine[QUARTER - 2 * k * step] >> halving, *squared >> halving};
        for (uint32_t first = k; first < SERNET_BINS; first += 4 * points) {
            sernet_bin *near = &bins[first], *far = &bins[first + points / 2];
            butterfly(near, points, turned(get(near + points), w2), w, shift);
            /* The square of w_(k + points / 2) is -i times that of w_k. */
            const value v = turned(get(far + points), w2), v_later = {v.im, -v.re};
            butterfly(far, points, v_later, later, shift);
        }
    }
}

static inline uint64_t power_of(int32_t re, int32_t im) {
    return (uint64_t)((int64_t)re * re) + (uint64_t)((int64_t)im * im);
}

/* Powers of bins k and SERNET_BINS - k, 0 < k < SERNET_BINS / 2, from the values of the complex
 * transform. */
static inline void part(sernet_bin *near, sernet_bin *far, twiddle w) {
    const value a = get(near), b = get(far);
    /* Four times the spectrum of the even samples, and -4i times that of the odd samples. Samples
     * are below 2^30, so these values stay below 3/4 of 2^31. */
    const value even = {a.re + b.re, a.im - b.im}, odd = {a.im + b.im, b.re - a.re};
    const value e = {even.re >> 2, even.im >> 2}, o = turned(odd, w);
    near->power = power_of(e.re + o.re, e.im + o.im);
    far->power = power_of(e.re - o.re, e.im - o.im);
}

int32_t sernet_spectrum(const sernet_frame *frame, uint32_t oldest, int32_t before,
                        sernet_bin *bins) {
    const uint32_t doublings = doublings_of(frame, before);
    const int32_t gain = (int32_t)1 << (doublings + 16 - BASE_LOG2);
    const source from = {frame->samples, oldest, gain, before};
    for (uint32_t block = 0; block < BLOCKS; block++)
        base(&from, first_of(block), &bins[block * BASE]);
    /* With constant arguments, the compiler needs only one pointer for the four bins of a
     * butterfly. */
    const uint32_t last = SERNET_BINS / 4;
    if (BASE < last) stage(bins, BASE, 2);
    if (4 * BASE < last) stage(bins, 4 * BASE, 2);
    for (uint32_t points = 16 * BASE; points < last; points *= 4) stage(bins, points, 2);
    stage(bins, last, 1);
    const value first = get(bins), middle = get(bins + SERNET_BINS / 2);
    for (uint32_t k = 1; k < SERNET_BINS / 2; k++) {
        const twiddle w = {sernet_sine[QUARTER - k] >> 1, sernet_sine[k] >> 1};
        part(&bins[k], &bins[SERNET_BINS - k], w);
    }
    const value halves = {first.re >> 1, first.im >> 1};
    bins[0].power = power_of(halves.re + halves.im, 0);
    bins[SERNET_BINS / 2].power = power_of(middle.re >> 1, middle.im >> 1);
#if SERNET_POWERS > SERNET_BINS
    bins[SERNET_BINS].power = power_of(halves.re - halves.im, 0);
#endif
    return SERNET_POWER_EXPONENT - 2 * (int32_t)doublings;
}
