// libjpeg-turbo behind an exception: its errors jump back to a frame that owns nothing.
#include "replay/jpeg.h"

#include <jpeglib.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "image/orient.h"

namespace icepoint {
namespace {

// A progressive file may hold any number of scans over the whole picture: a few kilobytes that take
// hours. Real encoders write about ten.
constexpr int kMaxScans = 200;
constexpr size_t kExifPrefix = 6;  // "Exif\0\0"

/// Everything that lives longer than a jump. C frames of libjpeg lie between header(), body() and
/// the callbacks, so errors travel by longjmp to those two, whose locals are trivial.
class Decoder {
 public:
  explicit Decoder(const Bytes& file) {
    jpeg_.err = jpeg_std_error(&errors_);
    errors_.error_exit = &Decoder::on_error;
    errors_.emit_message = &Decoder::on_message;
    jpeg_.client_data = this;
    source_.next_input_byte = file.data();
    source_.bytes_in_buffer = file.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.resync_to_restart = jpeg_resync_to_restart;
    source_.fill_input_buffer = &Decoder::on_end;
    source_.skip_input_data = &Decoder::on_skip;
    progress_.progress_monitor = &Decoder::on_progress;
  }
  ~Decoder() { jpeg_destroy_decompress(&jpeg_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image image() {
    require(header(), "JPEG: ", error_);
    check_image_size(jpeg_.image_height, jpeg_.image_width);
    const int components = jpeg_.num_components;
    require(components == 1 || components == 3 || components == 4, "JPEG: ", components,
            " components, expected 1, 3 or 4");
    jpeg_.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    picture_ = {jpeg_.image_height, jpeg_.image_width, components, {}};
    picture_.data.resize(static_cast<size_t>(picture_.height * picture_.width * components));
    require(body(), "JPEG: ", error_);
    if (components == 4) {
      for (uint8_t& v : picture_.data) v = static_cast<uint8_t>(255 - v);
      picture_ = cmyk_to_rgb(picture_);
    }
    return orient(std::move(picture_), orientation_);
  }

 private:
  bool header() {
    if (setjmp(jump_)) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_.src = &source_;
    jpeg_.progress = &progress_;
    jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&jpeg_, TRUE);
    for (jpeg_saved_marker_ptr m = jpeg_.marker_list; m; m = m->next)
      if (m->data_length >= kExifPrefix && std::memcmp(m->data, "Exif\0", kExifPrefix) == 0) {
        orientation_ = exif_orientation({m->data + kExifPrefix, m->data_length - kExifPrefix});
        break;  // the first one counts
      }
    return true;
  }

  bool body() {
    if (setjmp(jump_)) return false;
    jpeg_start_decompress(&jpeg_);
    const size_t row = static_cast<size_t>(picture_.width * picture_.channels);
    while (jpeg_.output_scanline < jpeg_.output_height) {
      JSAMPROW to = picture_.data.data() + jpeg_.output_scanline * row;
      jpeg_read_scanlines(&jpeg_, &to, 1);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }

  static Decoder* self(j_common_ptr jpeg) { return static_cast<Decoder*>(jpeg->client_data); }
  [[noreturn]] static void fail_with(j_common_ptr jpeg, const char* text) {
    std::snprintf(self(jpeg)->error_, sizeof(error_), "%s", text);
    std::longjmp(self(jpeg)->jump_, 1);
  }
  [[noreturn]] static void on_error(j_common_ptr jpeg) {
    char text[JMSG_LENGTH_MAX];
    jpeg->err->format_message(jpeg, text);
    fail_with(jpeg, text);
  }
  static void on_message(j_common_ptr, int) {}  // warnings: libjpeg repaired the stream, as for Pillow
  static boolean on_end(j_decompress_ptr jpeg) {
    // libjpeg's own source would fake an end marker here and return a half grey picture.
    fail_with(reinterpret_cast<j_common_ptr>(jpeg), "the file ends before the picture does");
  }
  static void on_skip(j_decompress_ptr jpeg, long n) {
    if (n <= 0) return;
    if (static_cast<size_t>(n) > jpeg->src->bytes_in_buffer) on_end(jpeg);
    jpeg->src->next_input_byte += n;
    jpeg->src->bytes_in_buffer -= static_cast<size_t>(n);
  }
  static void on_progress(j_common_ptr jpeg) {
    if (reinterpret_cast<j_decompress_ptr>(jpeg)->input_scan_number > kMaxScans)
      fail_with(jpeg, "more than 200 scans");
  }

  jpeg_decompress_struct jpeg_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf jump_{};
  Image picture_;
  int orientation_ = 1;
  char error_[JMSG_LENGTH_MAX] = "";
};

}  // namespace

Image decode_jpeg(const Bytes& file) {
  return Decoder(file).image();
}

}  // namespace icepoint
