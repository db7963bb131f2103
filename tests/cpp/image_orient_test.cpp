// EXIF orientation: the tag in both byte orders and every malformed block, the eight permutations.
#include <gtest/gtest.h>

#include <numeric>
#include <random>
#include <stdexcept>

#include "image/orient.h"

namespace icepoint {
namespace {

using Block = std::vector<uint8_t>;

void put(Block& block, uint32_t value, int size, bool big) {
  for (int i = 0; i < size; ++i) block.push_back(static_cast<uint8_t>(value >> 8 * (big ? size - 1 - i : i)));
}

/// A TIFF block whose first directory holds an unrelated entry and the orientation.
Block tiff(uint32_t value, bool big = false, uint32_t type = 3, uint32_t count = 1, uint32_t magic = 42) {
  Block block(2, big ? 'M' : 'I');
  put(block, magic, 2, big);
  put(block, 8, 4, big);
  put(block, 2, 2, big);
  put(block, 0x010F, 2, big), put(block, 2, 2, big), put(block, 4, 4, big), put(block, 0, 4, big);
  put(block, 0x0112, 2, big), put(block, type, 2, big), put(block, count, 4, big);
  put(block, value, 2, big), put(block, 0, 2, big);
  put(block, 0, 4, big);
  return block;
}

TEST(ImageOrient, TagInBothByteOrders) {
  for (uint32_t value = 1; value <= 8; ++value)
    for (const bool big : {false, true})
      EXPECT_EQ(exif_orientation(tiff(value, big)), static_cast<int>(value)) << big;
}

TEST(ImageOrient, MalformedTagsMeanUpright) {
  EXPECT_EQ(exif_orientation({}), 1);
  for (const uint32_t value : {0u, 9u, 256u, 65535u}) EXPECT_EQ(exif_orientation(tiff(value)), 1) << value;
  EXPECT_EQ(exif_orientation(tiff(6, false, 4)), 1);     // LONG
  EXPECT_EQ(exif_orientation(tiff(6, false, 3, 2)), 1);  // two of them
  EXPECT_EQ(exif_orientation(tiff(6, false, 3, 1, 43)), 1);
  Block mixed = tiff(6);
  mixed[1] = 'M';
  EXPECT_EQ(exif_orientation(mixed), 1);
}

TEST(ImageOrient, EveryTruncationIsUprightOrTheValue) {
  const Block whole = tiff(6);
  const size_t needed = 8 + 2 + 12 + 10;  // up to the value's last byte
  for (size_t size = 0; size <= whole.size(); ++size)
    EXPECT_EQ(exif_orientation(std::span(whole).first(size)), size >= needed ? 6 : 1) << size;
}

TEST(ImageOrient, AnyByteMayBeAnything) {
  std::mt19937 random(7);
  for (int round = 0; round < 20000; ++round) {
    Block block = tiff(6, round % 2);
    for (int i = 0; i < 4; ++i) block[random() % block.size()] = static_cast<uint8_t>(random());
    const int orientation = exif_orientation(block);
    ASSERT_TRUE(orientation >= 1 && orientation <= 8) << round;
  }
}

TEST(ImageOrient, EightPermutationsOfAHandMadePicture) {
  // 1 2 3
  // 4 5 6
  const Image stored{2, 3, 1, {1, 2, 3, 4, 5, 6}};
  const std::vector<std::vector<uint8_t>> upright = {
      {1, 2, 3, 4, 5, 6}, {3, 2, 1, 6, 5, 4}, {6, 5, 4, 3, 2, 1}, {4, 5, 6, 1, 2, 3},
      {1, 4, 2, 5, 3, 6}, {4, 1, 5, 2, 6, 3}, {6, 3, 5, 2, 4, 1}, {3, 6, 2, 5, 1, 4}};
  for (int o = 1; o <= 8; ++o) {
    const Image y = orient(stored, o);
    EXPECT_EQ(y.height, o < 5 ? 2 : 3) << o;
    EXPECT_EQ(y.width, o < 5 ? 3 : 2) << o;
    EXPECT_EQ(y.data, upright[static_cast<size_t>(o - 1)]) << o;
  }
  EXPECT_THROW(orient(stored, 0), std::invalid_argument);
  EXPECT_THROW(orient(stored, 9), std::invalid_argument);
}

TEST(ImageOrient, InversesRestoreThePictureAndChannelsStayTogether) {
  Image stored{5, 7, 3, std::vector<uint8_t>(5 * 7 * 3)};
  std::iota(stored.data.begin(), stored.data.end(), uint8_t{0});
  const int inverse[] = {1, 2, 3, 4, 5, 8, 7, 6};
  for (int o = 1; o <= 8; ++o) {
    const Image turned = orient(stored, o);
    for (size_t i = 0; i < turned.data.size(); i += 3) EXPECT_EQ(turned.data[i] + 2, turned.data[i + 2]);
    EXPECT_EQ(orient(turned, inverse[o - 1]), stored) << o;
  }
}

}  // namespace
}  // namespace icepoint
