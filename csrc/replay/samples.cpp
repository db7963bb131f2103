// From any input file to codes or float32 values.
#include "replay/samples.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "replay/idx.h"
#include "replay/images.h"
#include "replay/npy.h"
#include "replay/pt.h"

namespace icepoint {
namespace {

/// How a uint8 array lies: n pictures of h x w pixels of c channels.
struct Layout {
  int64_t n = 1, channels = 1;
};

/// Matches a shape against the recipe's size; n and c are what is left over.
Layout layout_of(const Shape& shape, bool channels_first, const Recipe& r) {
  const auto match = [&](size_t h_axis, size_t w_axis) {
    return shape[h_axis] == r.height && shape[w_axis] == r.width;
  };
  const auto colours = [&](int64_t c) { return c == 1 || c == 3 || c == r.channels; };
  const size_t rank = shape.size();
  if (rank == 2 && match(0, 1)) return {1, 1};
  if (rank == 3 && !channels_first && match(0, 1) && colours(shape[2])) return {1, shape[2]};
  if (rank == 3 && channels_first && r.channels > 1 && match(1, 2) && colours(shape[0])) return {1, shape[0]};
  if (rank == 3 && match(1, 2)) return {shape[0], 1};
  if (rank == 4 && !channels_first && match(1, 2) && colours(shape[3])) return {shape[0], shape[3]};
  if (rank == 4 && channels_first && match(2, 3) && colours(shape[1])) return {shape[0], shape[1]};
  fail("pixels of shape ", to_string(shape), " are not pictures of the model's ", r.width, " x ", r.height,
       " pixels and ", r.channels, r.channels == 1 ? " channel" : " channels", "; resizing is not supported");
}

Samples value_samples(Tensor values, const Session& session) {
  const Shape& one = session.file().graph.inputs[0].shape;
  Samples samples;
  if (values.shape == one) {
    samples.n = 1;
  } else {
    const bool batch =
        values.shape.size() == one.size() + 1 && std::equal(one.begin(), one.end(), values.shape.begin() + 1);
    require(batch, "float32 of shape ", to_string(values.shape), ", expected ", to_string(one),
            " or a batch of those");
    samples.n = values.shape[0];
  }
  samples.values = std::move(values);
  return samples;
}

Samples tensor_samples(Tensor tensor, bool channels_first, const Session& session) {
  if (tensor.dtype == DType::f32) return value_samples(std::move(tensor), session);
  return pixel_samples(tensor, channels_first, session);
}

}  // namespace

void append_codes(const Image& image, const Session& session, std::vector<uint8_t>& codes) {
  const PixelTable& table = session.pixels();
  const Recipe& r = session.recipe();
  require(image.height == r.height && image.width == r.width, "the picture has ", image.width, " x ",
          image.height, " pixels, the model takes ", r.width, " x ", r.height,
          "; resizing is not supported, crop or scale it first");
  const Image ready = to_channels(image, r.channels);
  const size_t start = codes.size();
  codes.resize(start + ready.data.size());
  table.apply(ready.data.data(), 1, r.height * r.width, &codes[start]);
}

Samples pixel_samples(const Tensor& pixels, bool channels_first, const Session& session) {
  const PixelTable& table = session.pixels();
  const Recipe& r = session.recipe();
  const Layout layout = layout_of(pixels.shape, channels_first, r);
  const int64_t area = r.height * r.width, c = layout.channels;
  Samples samples;
  samples.n = layout.n;
  samples.codes.resize(static_cast<size_t>(layout.n * r.channels * area));
  for (int64_t i = 0; i < layout.n; ++i) {
    const uint8_t* from = pixels.data.get() + i * area * c;
    Image image{r.height, r.width, c, {}};
    image.data.resize(static_cast<size_t>(area * c));
    for (int64_t k = 0; k < c; ++k)
      for (int64_t p = 0; p < area; ++p)
        image.data[static_cast<size_t>(p * c + k)] = channels_first ? from[k * area + p] : from[p * c + k];
    image = to_channels(std::move(image), r.channels);
    table.apply(image.data.data(), 1, area, &samples.codes[static_cast<size_t>(i * r.channels * area)]);
  }
  return samples;
}

Samples read_samples(const std::string& path, const Session& session) {
  const Bytes file = read_file(path);
  try {
    switch (kind_of(file)) {
      case FileKind::npy:
        return tensor_samples(parse_npy(file), false, session);
      case FileKind::pt:
        return tensor_samples(parse_pt(file), true, session);
      case FileKind::idx:
      case FileKind::gzip:
        return tensor_samples(parse_idx(file), false, session);
      case FileKind::png:
      case FileKind::jpeg:
        break;
      case FileKind::unknown:
        fail("unknown kind of file, expected ", kKnownKinds);
    }
    Samples samples;
    samples.n = 1;
    session.pixels();  // says at once that a model without recipe takes no pictures
    append_codes(decode_image(file), session, samples.codes);
    return samples;
  } catch (const std::invalid_argument& e) {
    fail(path, ": ", e.what());
  }
}

void run_samples(const Session& session, const Samples& samples, int64_t begin, int64_t n, uint8_t* codes) {
  const int64_t each = session.model().input_count(0);
  uint8_t* const outputs[] = {codes};
  if (samples.values) {
    const float* const inputs[] = {samples.values.as<float>().data() + begin * each};
    session.model().quantize_run(inputs, n, outputs);
  } else {
    const uint8_t* const inputs[] = {samples.codes.data() + begin * each};
    session.model().run_codes(inputs, n, outputs);
  }
}

}  // namespace icepoint
