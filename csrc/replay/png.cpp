// libpng behind an exception: its errors jump back to a frame that owns nothing.
#include "replay/png.h"

#include <png.h>

#include <csetjmp>
#include <cstring>
#include <new>
#include <utility>

#include "core/check.h"
#include "image/orient.h"

namespace icepoint {
namespace {

/// Everything that lives longer than a jump. C frames of libpng lie between decode() and the
/// callbacks below, so errors travel by longjmp to decode(), whose locals are trivial.
class Decoder {
 public:
  explicit Decoder(const Bytes& file) : next_(file.data()), left_(file.size()) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, &Decoder::on_error, &Decoder::on_warning);
    info_ = png_ ? png_create_info_struct(png_) : nullptr;
  }
  ~Decoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image image() {
    if (!info_) throw std::bad_alloc();
    require(header(), "PNG: ", error_);
    check_image_size(raw_.height, raw_.width);
    bytes_per_sample_ = depth_ == 16 ? 2 : 1;
    const int64_t row = raw_.width * raw_.channels * bytes_per_sample_;
    raw_.data.resize(static_cast<size_t>(raw_.height * row));
    rows_.resize(static_cast<size_t>(raw_.height));
    for (int64_t i = 0; i < raw_.height; ++i)
      rows_[static_cast<size_t>(i)] = &raw_.data[static_cast<size_t>(i * row)];
    require(body(), "PNG: ", error_);
    return finish();
  }

 private:
  bool header() {
    if (setjmp(png_jmpbuf(png_))) return false;
    png_set_read_fn(png_, this, &Decoder::on_read);
    png_set_user_limits(png_, kMaxImageSide, kMaxImageSide);
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);  // of ancillary chunks too
    png_read_info(png_, info_);
    raw_.height = png_get_image_height(png_, info_);
    raw_.width = png_get_image_width(png_, info_);
    depth_ = png_get_bit_depth(png_, info_);
    colour_ = png_get_color_type(png_, info_);
    raw_.channels = png_get_channels(png_, info_);
    return true;
  }

  bool body() {
    if (setjmp(png_jmpbuf(png_))) return false;
    if (colour_ == PNG_COLOR_TYPE_GRAY && depth_ < 8) png_set_expand_gray_1_2_4_to_8(png_);
    if (colour_ == PNG_COLOR_TYPE_PALETTE) png_set_packing(png_);  // one index a byte, unexpanded
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    png_read_image(png_, rows_.data());
    png_read_end(png_, info_);  // an eXIf chunk may follow the pixels
    if (colour_ == PNG_COLOR_TYPE_PALETTE) png_get_PLTE(png_, info_, &palette_, &colours_);
    png_get_eXIf_1(png_, info_, &exif_size_, &exif_);
    return true;
  }

  Image finish() {
    if (bytes_per_sample_ == 2) {  // big-endian
      const size_t samples = raw_.data.size() / 2;
      for (size_t i = 0; i < samples; ++i)
        raw_.data[i] = high_byte(static_cast<uint16_t>(raw_.data[2 * i] << 8 | raw_.data[2 * i + 1]));
      raw_.data.resize(samples);
    }
    const int orientation = exif_ ? exif_orientation({exif_, exif_size_}) : 1;
    if (colour_ == PNG_COLOR_TYPE_PALETTE) {
      static_assert(sizeof(png_color) == 3);
      raw_ = expand_palette(raw_,
                            {reinterpret_cast<const uint8_t*>(palette_), static_cast<size_t>(colours_) * 3});
    } else if (colour_ & PNG_COLOR_MASK_ALPHA) {
      raw_ = keep_channels(raw_, raw_.channels - 1);
    }
    return orient(std::move(raw_), orientation);
  }

  static void on_read(png_structp png, png_bytep to, size_t n) {
    auto* self = static_cast<Decoder*>(png_get_io_ptr(png));
    if (n > self->left_) png_error(png, "the file ends before the picture does");
    std::memcpy(to, self->next_, n);
    self->next_ += n;
    self->left_ -= n;
  }
  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* self = static_cast<Decoder*>(png_get_error_ptr(png));
    std::strncpy(self->error_, text, sizeof(self->error_) - 1);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}  // an odd ancillary chunk is ignored

  const uint8_t* next_;
  size_t left_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  Image raw_;
  std::vector<png_bytep> rows_;
  int depth_ = 0, colour_ = 0, colours_ = 0, bytes_per_sample_ = 1;
  png_colorp palette_ = nullptr;
  png_bytep exif_ = nullptr;
  png_uint_32 exif_size_ = 0;
  char error_[128] = "";
};

}  // namespace

Image decode_png(const Bytes& file) {
  return Decoder(file).image();
}

}  // namespace icepoint
