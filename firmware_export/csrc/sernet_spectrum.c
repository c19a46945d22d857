/* A real FFT of N points is a complex one of N/2, on the even samples as real and the odd ones
 * as imaginary parts, whose bins k and N/2 - k are then taken apart. */
#include "sernet_spectrum.h"

#ifdef SERNET_USE_CMSIS_DSP
#include "arm_math.h"
#endif

/* Writes the windowed frame, padded with zeros, and returns the exponent of |x|^2 / N. */
static int32_t load(const int16_t *pcm, uint32_t oldest, sernet_bin *bins) {
    const uint32_t length = SERNET_FRAME_LENGTH_SAMPLES;
#ifdef SERNET_FIXED_POINT
    /* The loudest sample uses all of 15 bits. */
    int32_t peak = 1, gain = 1, doublings = 0;
    for (uint32_t n = 0; n < length; n++) {
        const int32_t magnitude = pcm[n] < 0 ? -pcm[n] : pcm[n];
        if (magnitude > peak) peak = magnitude;
    }
    while (peak * gain < 16384) {
        gain *= 2;
        doublings++;
    }
#endif
    for (uint32_t n = 0; n < SERNET_FFT_SIZE; n++) {
        sernet_real value = 0;
        if (n < length) {
            const int32_t sample = pcm[n < length - oldest ? oldest + n : oldest + n - length];
            const sernet_real weight = sernet_window[n <= length / 2 ? n : length - n];
#ifdef SERNET_FIXED_POINT
            /* Q30 * Q15 to below 2^30. */
            value = (int32_t)(((int64_t)(sample * gain) * weight + (1 << 14)) >> 15);
#else
            value = (float)sample * weight;
#endif
        }
        bins[n / 2].part[n % 2] = value;
    }
#ifdef SERNET_FIXED_POINT
    return SERNET_POWER_EXPONENT - 2 * (15 + doublings);
#else
    return SERNET_POWER_EXPONENT;
#endif
}

#ifdef SERNET_USE_CMSIS_DSP

int32_t sernet_spectrum(const int16_t *pcm, uint32_t oldest, sernet_bin *bins, float *spare) {
    const int32_t exponent = load(pcm, oldest, bins);
    arm_rfft_fast_instance_f32 fft;
    arm_rfft_fast_init_f32(&fft, SERNET_FFT_SIZE);
    arm_rfft_fast_f32(&fft, bins[0].part, spare, 0);
    /* The bin at half the sample rate is packed beside the first. */
#if SERNET_POWERS > SERNET_BINS
    bins[SERNET_BINS].power = spare[1] * spare[1];
#endif
    spare[1] = 0.0f;
    for (uint32_t k = 0; k < SERNET_BINS; k++)
        bins[k].power = spare[2 * k] * spare[2 * k] + spare[2 * k + 1] * spare[2 * k + 1];
    return exponent;
}

#else

typedef struct {
    sernet_real cosine, sine;
} twiddle;

/* The angle 2 pi index / N, index 0..N/2. */
static twiddle twiddle_of(uint32_t index) {
    const uint32_t quarter = SERNET_FFT_SIZE / 4;
    twiddle w;
    if (index <= quarter) {
        w.cosine = sernet_sine[quarter - index];
        w.sine = sernet_sine[index];
    } else {
        w.cosine = -sernet_sine[index - quarter];
        w.sine = sernet_sine[2 * quarter - index];
    }
    return w;
}

#ifdef SERNET_FIXED_POINT

static int64_t q30(int32_t x) { return (int64_t)x * (1 << 30); }

/* Half of it, so that no stage can overflow: complex magnitudes never grow. */
static int32_t halved(int64_t x) { return (int32_t)((x + (1 << 30)) >> 31); }

/* a, b = (a + b e^-iw) / 2, (a - b e^-iw) / 2 */
static void butterfly(sernet_bin *a, sernet_bin *b, twiddle w) {
    const int64_t re = (int64_t)b->part[0] * w.cosine + (int64_t)b->part[1] * w.sine;
    const int64_t im = (int64_t)b->part[1] * w.cosine - (int64_t)b->part[0] * w.sine;
    const int64_t a_re = q30(a->part[0]), a_im = q30(a->part[1]);
    a->part[0] = halved(a_re + re);
    a->part[1] = halved(a_im + im);
    b->part[0] = halved(a_re - re);
    b->part[1] = halved(a_im - im);
}

static sernet_power power_of(int64_t re, int64_t im) {
    const int64_t x = halved(re), y = halved(im);
    return ((uint64_t)(x * x) + (uint64_t)(y * y)) >> SERNET_POWER_SHIFT;
}

#else

static float q30(float x) { return x; }

static void butterfly(sernet_bin *a, sernet_bin *b, twiddle w) {
    const float re = b->part[0] * w.cosine + b->part[1] * w.sine;
    const float im = b->part[1] * w.cosine - b->part[0] * w.sine;
    b->part[0] = a->part[0] - re;
    b->part[1] = a->part[1] - im;
    a->part[0] += re;
    a->part[1] += im;
}

static sernet_power power_of(float re, float im) { return 0.25f * (re * re + im * im); }

#endif

static void reverse_bits(sernet_bin *z) {
    for (uint32_t i = 1, j = 0; i < SERNET_BINS; i++) {
        uint32_t bit = SERNET_BINS / 2;
        for (; j & bit; bit /= 2) j ^= bit;
        j ^= bit;
        if (i < j) {
            const sernet_bin swapped = z[i];
            z[i] = z[j];
            z[j] = swapped;
        }
    }
}

int32_t sernet_spectrum(const int16_t *pcm, uint32_t oldest, sernet_bin *bins, float *spare) {
    (void)spare;
    int32_t exponent = load(pcm, oldest, bins);
    reverse_bits(bins);
    for (uint32_t half = 1; half < SERNET_BINS; half *= 2)
        for (uint32_t j = 0; j < half; j++) {
            const twiddle w = twiddle_of(j * (SERNET_BINS / half));
            for (uint32_t k = j; k < SERNET_BINS; k += 2 * half)
                butterfly(&bins[k], &bins[k + half], w);
        }
    for (uint32_t k = 0; k <= SERNET_BINS / 2; k++) {
        /* Twice the spectra of the even and, times -i, of the odd samples. */
        sernet_bin *a = &bins[k], *b = &bins[(SERNET_BINS - k) % SERNET_BINS];
        const twiddle w = twiddle_of(k);
#ifdef SERNET_FIXED_POINT
        /* By the window's mean of 1/2 these sums stay in range. */
        typedef int64_t wide;
#else
        typedef float wide;
#endif
        const sernet_real even_re = a->part[0] + b->part[0], even_im = a->part[1] - b->part[1];
        const wide odd_re = a->part[1] + b->part[1], odd_im = b->part[0] - a->part[0];
        const wide re = odd_re * w.cosine + odd_im * w.sine;
        const wide im = odd_im * w.cosine - odd_re * w.sine;
        /* In this order: the first bin's partner is the one at half the sample rate. */
        const sernet_power upper = power_of(q30(even_re) - re, q30(even_im) - im);
        a->power = power_of(q30(even_re) + re, q30(even_im) + im);
        if (b != a) b->power = upper;
#if SERNET_POWERS > SERNET_BINS
        if (k == 0) bins[SERNET_BINS].power = upper;
#endif
    }
#ifdef SERNET_FIXED_POINT
    /* The stages halved log2(N / 2) times. */
    for (uint32_t n = SERNET_BINS; n > 1; n /= 2) exponent += 2;
    exponent += SERNET_POWER_SHIFT;
#endif
    return exponent;
}

#endif
