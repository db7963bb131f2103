// Making and applying the table of recipe_table.h.
#include "image/recipe_table.h"

#include "core/check.h"
#include "core/float_env.h"

namespace icepoint {

PixelTable::PixelTable(int64_t divide, const std::vector<float>& mean, const std::vector<float>& std,
                       const QParams& q)
    : table_(mean.size()) {
  require(divide == 255 || divide == 1, "recipe.divide: ", divide, " is neither 255 nor 1");
  require(mean.size() == std.size(), "recipe: ", mean.size(), " means, but ", std.size(), " stds");
  const FloatEnv env;
  const float d = static_cast<float>(divide);
  for (size_t c = 0; c < mean.size(); ++c)
    for (int p = 0; p < 256; ++p) {
      const float x = (static_cast<float>(p) / d - mean[c]) / std[c];
      table_[c][static_cast<size_t>(p)] =
          static_cast<uint8_t>(quantize_value(x, q.scale, q.zero_point, 0, q.qmax()));
    }
}

void PixelTable::apply(const uint8_t* pixels, int64_t n, int64_t area, uint8_t* codes) const {
  const int64_t c = channels();
  for (int64_t image = 0; image < n; ++image, pixels += area * c)
    for (int64_t k = 0; k < c; ++k) {
      const auto& table = table_[static_cast<size_t>(k)];
      for (int64_t i = 0; i < area; ++i) *codes++ = table[pixels[i * c + k]];
    }
}

}  // namespace icepoint
