/* Prints the emotions that an I2S microphone hears, such as an INMP441 or SPH0645. */
#include <inttypes.h>
#include <stdio.h>

#include "driver/i2s_std.h"
#include "sernet.h"

/* The pins of the microphone. */
#define PIN_BIT_CLOCK GPIO_NUM_4
#define PIN_WORD_SELECT GPIO_NUM_5
#define PIN_DATA GPIO_NUM_6

#define PART_SAMPLES 256

SERNET_STATE(state);

static void report(void) {
    sernet_result result;
    while (sernet_poll(state, &result) == 1)
        printf("%s %.2f\n", sernet_labels[result.label], (double)result.scores[result.label]);
}

static void take(const int16_t *pcm, size_t count) {
    while (count > 0) {
        const int32_t taken = sernet_push(state, pcm, count);
        if (taken < 0) {
            printf("sernet_push: %" PRId32 "\n", taken);
            return;
        }
        pcm += taken;
        count -= (size_t)taken;
        if (count > 0) report(); /* a due result must be polled for before there is room */
    }
}

void app_main(void) {
    i2s_chan_handle_t microphone;
    i2s_chan_config_t channel = I2S_CHANNEL_DEFAULT_CONFIG(I2S_NUM_AUTO, I2S_ROLE_MASTER);
    /* DMA buffers a quarter of a second while the network runs. */
    channel.dma_desc_num = 16;
    channel.dma_frame_num = PART_SAMPLES;
    const i2s_std_config_t config = {
        .clk_cfg = I2S_STD_CLK_DEFAULT_CONFIG(SERNET_SAMPLE_RATE_HZ),
        .slot_cfg = I2S_STD_PHILIPS_SLOT_DEFAULT_CONFIG(I2S_DATA_BIT_WIDTH_32BIT,
                                                        I2S_SLOT_MODE_MONO),
        .gpio_cfg = {.mclk = I2S_GPIO_UNUSED,
                     .bclk = PIN_BIT_CLOCK,
                     .ws = PIN_WORD_SELECT,
                     .dout = I2S_GPIO_UNUSED,
                     .din = PIN_DATA},
    };
    ESP_ERROR_CHECK(i2s_new_channel(&channel, NULL, &microphone));
    ESP_ERROR_CHECK(i2s_channel_init_std_mode(microphone, &config));
    ESP_ERROR_CHECK(i2s_channel_enable(microphone));
    const int status = sernet_init(state, sizeof state);
    if (status < 0) printf("sernet_init: %d\n", status);
    for (;;) {
        static int32_t words[PART_SAMPLES];
        static int16_t pcm[PART_SAMPLES];
        size_t bytes = 0;
        ESP_ERROR_CHECK(i2s_channel_read(microphone, words, sizeof words, &bytes, portMAX_DELAY));
        const size_t count = bytes / sizeof *words;
        /* The samples have up to 24 bits, in the upper part of a word. */
        for (size_t i = 0; i < count; i++) pcm[i] = (int16_t)(words[i] >> 16);
        take(pcm, count);
        /* Do only a bounded part of the network's work before reading audio again. */
        int more = 1;
        for (int parts = 0; more && parts < 24; parts++) more = sernet_work(state) == 1;
        if (!more) report();
    }
}
