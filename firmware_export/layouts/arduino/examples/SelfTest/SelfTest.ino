// Checks that this build, on this board, computes the right values.
@ROWS #include <sernet.h>
#include <sernet_selftest.h>
@AUDIO #include <sernet_selftest_features.h>

extern "C" const sernet_golden sernet_model_golden;
@AUDIO extern "C" const sernet_golden_pcm sernet_model_golden_pcm;

@AUDIO SERNET_STATE(state);
@ROWS static sernet_state state;

void setup() {
  Serial.begin(115200);
  while (!Serial) {
  }
@AUDIO   Serial.print("features that differ by 1 (a few may; below 0 is an error): ");
@AUDIO   Serial.println((long)sernet_selftest_features(&sernet_model_golden_pcm, state, sizeof state));
@AUDIO   Serial.print("scores that differ (must be 0): ");
@AUDIO   Serial.println((long)sernet_selftest(&sernet_model_golden, state, sizeof state));
@ROWS   Serial.print("outputs that differ (must be 0): ");
@ROWS   Serial.println((long)sernet_selftest(&sernet_model_golden, state.net, sizeof state.net));
}

void loop() {}
