// The rule and the loop of class_map.h.
#include "runtime/class_map.h"

#include <algorithm>

#include "core/check.h"

namespace icepoint {
void require_class_map(const ModelFile& file, const std::string& who) {
  const Shape& shape = file.output(0).shape;
  require(shape.size() == 3, who, ": the model's output is ", to_string(shape),
          ", expected codes (classes, height, width): it gives no map");
  require(shape[0] >= 2 && shape[0] <= 256, who, ": the model's output has ", shape[0],
          " classes, expected 2..256, which 8 bits can name");
  const OutputFunction f = file.output_function(0);
  using Kind = OutputFunction::Kind;
  require(f.kind == Kind::none || (f.kind != Kind::sigmoid && f.axis == 0), who,
          ": the model's output ends in ", name_of(f.kind),
          f.kind == Kind::sigmoid ? "" : " over axis " + std::to_string(f.axis),
          ", expected argmax, softmax or log_softmax over the classes, axis 0, or nothing");
}

Image class_map(const ModelFile& file, const float* reals) {
  const Shape& shape = file.output(0).shape;
  Image map{shape[1], shape[2], 1, {}};
  const size_t area = static_cast<size_t>(map.height * map.width);
  map.data.assign(area, 0);
  std::vector<float> best(reals, reals + area);
  for (int64_t c = 1; c < shape[0]; ++c) {
    const float* plane = reals + static_cast<size_t>(c) * area;
    for (size_t i = 0; i < area; ++i) {
      map.data[i] = plane[i] > best[i] ? static_cast<uint8_t>(c) : map.data[i];
      best[i] = std::max(best[i], plane[i]);
    }
  }
  return map;
}

}  // namespace icepoint
