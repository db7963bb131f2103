// Replays a frozen model on float32 samples and prints its scores: the program of docs/embedding.md.
#include <format/reader.h>
#include <kernels/select.h>
#include <runtime/model.h>

#include <cstdio>
#include <exception>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <vector>

int main(int argc, char** argv) try {
  if (argc != 3) throw std::invalid_argument("usage: answer MODEL.ice SAMPLES.f32");
  const auto file = std::make_shared<const icepoint::ModelFile>(icepoint::load_model(argv[1]));
  const icepoint::Model model(file,
                              icepoint::kernels());  // once; its const functions may run on many threads
  if (file->graph.inputs.size() != 1 || file->graph.outputs.size() != 1)
    throw std::invalid_argument("expected a model of one input and one output");

  std::vector<float> x(static_cast<size_t>(model.input_count(0)));  // one sample, (c, h, w)
  std::vector<float> y(static_cast<size_t>(model.real_count(0)));   // its scores
  const float* inputs[] = {x.data()};
  float* outputs[] = {y.data()};
  std::ifstream samples(argv[2], std::ios::binary);
  if (!samples) throw std::invalid_argument("SAMPLES.f32 cannot be opened");
  while (samples.read(reinterpret_cast<char*>(x.data()),
                      static_cast<std::streamsize>(x.size() * sizeof(float)))) {
    model.run(inputs, 1, outputs);
    for (size_t i = 0; i < y.size(); ++i) std::printf(i + 1 < y.size() ? "%.9g " : "%.9g\n", y[i]);
  }
  if (samples.gcount() != 0) throw std::invalid_argument("SAMPLES.f32 ends inside a sample");
  return 0;
} catch (const std::exception& error) {  // ModelFileError and others of the standard library: one sentence
  std::fprintf(stderr, "answer: %s\n", error.what());
  return 1;
}
