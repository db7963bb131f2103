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

/// How a uint8 array lies: n pictures of height x width pixels of c channels.
struct Layout {
  int64_t n, height, width, channels;
};

/// The only reading of a shape that the recipe allows: pictures of its own size, or of any where it resizes.
Layout layout_of(const Shape& shape, bool channels_first, const Recipe& r) {
  const auto match = [&](size_t h_axis, size_t w_axis) {
    return r.resize.fit != Resize::Fit::none || (shape[h_axis] == r.height && shape[w_axis] == r.width);
  };
  const auto colours = [&](int64_t c) { return c == 1 || c == 3 || c == r.channels; };
  const size_t rank = shape.size();
  if (rank == 2 && match(0, 1)) return {1, shape[0], shape[1], 1};
  if (rank == 3 && !channels_first && match(0, 1) && colours(shape[2]))
    return {1, shape[0], shape[1], shape[2]};
  if (rank == 3 && channels_first && r.channels > 1 && match(1, 2) && colours(shape[0]))
    return {1, shape[1], shape[2], shape[0]};
  if (rank == 3 && match(1, 2)) return {shape[0], shape[1], shape[2], 1};
  if (rank == 4 && !channels_first && match(1, 2) && colours(shape[3]))
    return {shape[0], shape[1], shape[2], shape[3]};
  if (rank == 4 && channels_first && match(2, 3) && colours(shape[1]))
    return {shape[0], shape[2], shape[3], shape[1]};
  fail("pixels of shape ", to_string(shape), " are not pictures of the model's ", r.width, " x ", r.height,
       " pixels and ", r.channels, r.channels == 1 ? " channel" : " channels",
       r.resize.fit == Resize::Fit::none ? ", and its recipe has no resize" : "");
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

Samples pixel_samples(const Tensor& pixels, bool channels_first, const Session& session) {
  constexpr int64_t kMaxCodes = int64_t{1} << 32;  // a resize may make much of little pictures
  const PictureInput& pictures = session.pictures();
  const Layout layout = layout_of(pixels.shape, channels_first, session.recipe());
  require(layout.n <= kMaxCodes / pictures.count(), "the input codes of ", layout.n,
          " pictures are more than ", kMaxCodes, " bytes");
  const int64_t area = layout.height * layout.width, c = layout.channels;
  Samples samples;
  samples.n = layout.n;
  samples.codes.resize(static_cast<size_t>(layout.n * pictures.count()));
  for (int64_t i = 0; i < layout.n; ++i) {
    const uint8_t* from = pixels.data.get() + i * area * c;
    Image image{layout.height, layout.width, c, {}};
    image.data.resize(static_cast<size_t>(area * c));
    for (int64_t k = 0; k < c; ++k)
      for (int64_t p = 0; p < area; ++p)
        image.data[static_cast<size_t>(p * c + k)] = channels_first ? from[k * area + p] : from[p * c + k];
    pictures.codes(std::move(image), &samples.codes[static_cast<size_t>(i * pictures.count())]);
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
    const PictureInput& pictures = session.pictures();  // before decoding: without a recipe nothing fits
    samples.codes.resize(static_cast<size_t>(pictures.count()));
    pictures.codes(decode_image(file), samples.codes.data());
    return samples;
  } catch (const std::invalid_argument& e) {
    fail(path, ": ", e.what());
  }
}

void run_samples(const Session& session, const Samples& samples, int64_t begin, int64_t n, uint8_t* codes,
                 float* reals) {
  const Model& model = session.model();
  const int64_t each = model.input_count(0);
  std::vector<uint8_t*> all_codes{codes};
  std::vector<float*> all_reals{reals};
  std::vector<std::vector<uint8_t>> dropped_codes;
  std::vector<std::vector<float>> dropped_reals;
  for (size_t i = 1; i < session.file().graph.outputs.size(); ++i) {
    const auto count = static_cast<size_t>(n * model.output_count(i));
    all_codes.push_back(dropped_codes.emplace_back(count).data());
    all_reals.push_back(dropped_reals.emplace_back(count).data());
  }
  if (samples.values) {
    const float* const inputs[] = {samples.values.as<float>().data() + begin * each};
    model.run_both(inputs, n, all_codes, all_reals);
  } else {
    const uint8_t* const inputs[] = {samples.codes.data() + begin * each};
    model.run_both(inputs, n, all_codes, all_reals);
  }
}

}  // namespace icepoint
