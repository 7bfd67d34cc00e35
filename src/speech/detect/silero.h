// Speech detection with the network of Silero VAD (https://github.com/snakers4/silero-vad, versions
// 5 and 6, at 16 kHz): how probable speech is in each hop of 512 samples (32 ms).
//
// A hop is seen with the 64 samples before it and, reflected at its end, 64 after it: 640 samples.
//   magnitudes  4 frames of 256 samples every 128, windowed Fourier transform, 129 bins    [4][129]
//   encoder     four convolutions of width 3 over frames, zeros outside, ReLU; the second and third
//               go in steps of 2:   [4][129] -> [4][128] -> [2][64] -> [1][64] -> [1][128]
//   memory      an LSTM of 128 cells, a step a hop, from a state of zeros
//   head        ReLU, a weighted sum, the logistic function
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"

namespace wring::speech {

class Silero {
 public:
  static constexpr int kHop = 512;
  static constexpr uint32_t kRate = 16000;

  // `path` is silero_vad_16k.safetensors of the Python package, or the ggml file of whisper.cpp
  // (silero-v6.2.0-ggml.bin). They are two trainings: the second holds the weights of the package's
  // ONNX models, those of the convolutions rounded to float16.
  static Result<Silero> Load(const std::string& path);

  // One value per started hop; zeros complete the last. Samples are finite, full scale at 1. Calls
  // know nothing of each other and may run at the same time.
  Result<std::vector<float>> Probabilities(std::span<const float> samples16k) const;

 private:
  // y = W x + b. Weights lie as panels of kPanel outputs, [outputs / kPanel][inputs][kPanel], so
  // that the loop over a panel is one of vectors; zeros fill the last panel.
  struct Layer {
    size_t inputs = 0;
    size_t outputs = 0;  // with those zeros
    std::vector<float> weights;
    std::vector<float> bias;

    // Row r of x starts at x + r * stride and may overlap the next; y is [rows][outputs].
    void Apply(const float* x, size_t stride, size_t rows, float* y) const;
    template <size_t kRows>
    void ApplyRows(const float* x, size_t stride, float* y) const;
  };
  struct State;  // of the LSTM
  struct Weights;

  // A convolution [outputs][channels][width] over rows of channels is a layer over `width` rows
  // that follow each other: input w * channels + c.
  static Result<Layer> ReadLayer(const Weights& weights, const std::string& weight,
                                 const std::vector<std::string>& biases, size_t outputs,
                                 size_t channels, size_t width);
  static Result<Silero> Build(const Weights& weights);
  void Encode(const float* samples, float* features) const;
  float Step(const float* features, State* state) const;

  Layer fourier_;  // real parts of 129 bins, then imaginary parts
  Layer convolutions_[4];
  Layer input_;      // from the features to the gates (input, forget, cell, output), both biases
  Layer recurrent_;  // from the last output
  std::vector<float> head_;
  float head_bias_ = 0;
};

}  // namespace wring::speech
