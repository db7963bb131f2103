// Files from strangers: truncated, flipped, lying about sizes, spelled twice. Each gets one clear error.
#include <gtest/gtest.h>

#include <cctype>
#include <chrono>

#include "format/header.h"
#include "format_fixtures.h"

namespace icepoint::testing {
namespace {

// Nothing that a refusal prints may steer a terminal or flood it.
void expect_plain(const std::string& message) {
  EXPECT_LT(message.size(), 700u);
  for (unsigned char c : message) ASSERT_TRUE(c >= 0x20 && c != 0x7f) << message.size();
}

TEST(FormatHostile, TruncatedAtEveryByte) {
  const Bytes bytes = write_model(small_model());
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Bytes cut(bytes.begin(), bytes.begin() + static_cast<int64_t>(size));
    for (const std::string& message : {verdict(cut), verdict(with_digest(cut))}) {
      ASSERT_NE(message, "accepted") << "at " << size;
      expect_plain(message);
    }
  }
}

TEST(FormatHostile, EveryBitFlipped) {
  const Bytes bytes = write_model(small_model());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    Bytes flipped = bytes;
    flipped[bit / 8] = static_cast<uint8_t>(flipped[bit / 8] ^ 1 << bit % 8);
    const std::string message = verdict(flipped);
    ASSERT_NE(message, "accepted") << "bit " << bit;  // the digest sees every bit
    expect_plain(message);
    // With the digest repaired the flip may mean another sound model; then it has these very bytes.
    const Bytes repaired = with_digest(flipped);
    const std::string second = verdict(repaired);
    if (second == "accepted") {
      ASSERT_EQ(write_model(read(repaired)), repaired) << "bit " << bit;
    }
    expect_plain(second);
  }
}

TEST(FormatHostile, Prefix) {
  const Bytes bytes = write_model(small_model());
  const auto with_length = [&](uint64_t length) {
    Bytes changed = bytes;
    std::memcpy(changed.data(), &length, 8);
    return verdict(with_digest(changed));
  };
  EXPECT_EQ(verdict({}), "file: 0 bytes, too short for a frozen model");
  EXPECT_EQ(verdict({1, 2, 3}), "file: 3 bytes, too short for a frozen model");
  EXPECT_EQ(with_length(0), "header: does not open with '{'");
  for (uint64_t length : {uint64_t{bytes.size()}, uint64_t{bytes.size() - 7}, uint64_t{1} << 63, UINT64_MAX,
                          UINT64_MAX - 7, __builtin_bswap64(uint64_t{1024})})
    EXPECT_EQ(with_length(length).substr(0, 15), "header length: ") << length;
  // A header that fits, one byte or 64 bytes off.
  uint64_t honest = 0;
  std::memcpy(&honest, bytes.data(), 8);
  for (int64_t off : {-64, -1, 1, 64})
    EXPECT_NE(with_length(honest + static_cast<uint64_t>(off)), "accepted") << off;

  const auto size = [](uint64_t header, uint64_t file) {
    return refusal([&] { check_header_size(header, file); });
  };
  EXPECT_EQ(size(1000, 1008), "accepted");
  EXPECT_EQ(size(1 << 19, 1 << 20), "accepted");
  EXPECT_EQ(size((1 << 19) + 1, 1 << 20),
            "header length: 524289 is more than half of the file's 1048576 bytes");
  EXPECT_EQ(size(16 << 20, 64 << 20), "accepted");
  EXPECT_EQ(size((16 << 20) + 1, 64 << 20), "header length: 16777217 is more than 16777216");
}

TEST(FormatHostile, WhatSurroundsTheHeader) {
  const Bytes bytes = write_model(small_model());
  const Parts parts = split(bytes);
  const auto with_header = [&](const std::string& header) { return verdict(join({header, parts.payload})); };
  EXPECT_EQ(with_header(parts.header), "accepted");
  EXPECT_NE(with_header(" " + parts.header), "accepted");
  EXPECT_NE(with_header("\xef\xbb\xbf" + parts.header), "accepted");
  EXPECT_NE(with_header(parts.header + "x"), "accepted");
  EXPECT_NE(with_header(parts.header + "\n"), "accepted");
  EXPECT_NE(with_header(parts.header + std::string(64, ' ')), "accepted");  // one padding only
  EXPECT_NE(with_header(parts.header + std::string(1, '\0')), "accepted");
  EXPECT_NE(with_header(replaced(parts.header, ",\"version\":", ", \"version\":")), "accepted");
  EXPECT_NE(with_header(replaced(parts.header, "\"version\"", "\"v\\u0065rsion\"")), "accepted");
  EXPECT_NE(with_header(replaced(parts.header, "}}", "},}")), "accepted");
  EXPECT_NE(with_header(replaced(parts.header, "\"I32\"", "'I32'")), "accepted");
  EXPECT_NE(with_header(replaced(parts.header, ",\"version\"", ",/**/\"version\"")), "accepted");
  Bytes longer = bytes;
  longer.push_back(0);
  EXPECT_EQ(verdict(with_digest(longer)).substr(0, 26), "file: the header describes");
}

TEST(FormatHostile, DigestFormatAndVersion) {
  const Bytes bytes = write_model(small_model());
  const Parts parts = split(bytes);
  Bytes upper = bytes;
  for (size_t i = kDigestOffset; i < kDigestOffset + kDigestChars; ++i)
    upper[i] = static_cast<uint8_t>(std::toupper(upper[i]));
  ASSERT_NE(upper, bytes);
  EXPECT_EQ(verdict(upper).substr(0, 9), "digest: '");
  Bytes changed = bytes;
  changed.back() ^= 1;
  EXPECT_EQ(verdict(changed).substr(0, 22), "digest: the file says ");
  EXPECT_THROW(peek_digest(Bytes(5)), ModelFileError);
  EXPECT_THROW(peek_digest(Bytes(500, '{')), ModelFileError);

  const auto with = [&](std::string_view from, std::string_view to) {
    return verdict(join({replaced(parts.header, from, to), parts.payload}));
  };
  EXPECT_EQ(with("\"version\":\"1\"", "\"version\":\"2\""),
            "version: '2' is not known, this icepoint reads version 1");
  EXPECT_EQ(with("\"version\":\"1\"", "\"version\":\"0\""),
            "version: '0' is not known, this icepoint reads version 1");
  EXPECT_EQ(with("\"version\":\"1\"", "\"version\":1"),
            "__metadata__.'version': found an integer, expected a string");
  EXPECT_EQ(with("\"format\":\"icepoint\"", "\"format\":\"pt\""), "format: 'pt', expected 'icepoint'");
  EXPECT_EQ(with("\\\"arithmetic\\\":1", "\\\"arithmetic\\\":2"),
            "graph.arithmetic: 2 is unknown, this icepoint computes 1");
  EXPECT_EQ(with(",\"version\"", ",\"sparse\":\"1\",\"version\""), "__metadata__: unknown key 'sparse'");
  EXPECT_EQ(with("\"made_by\":", "\"location\":\"/etc/passwd\",\"made_by\":"),
            "__metadata__: unknown key 'location'")
      << "external data";
  EXPECT_EQ(with("{\"__metadata__\":{\"digest\":\"", "{\"__metadata__\":{\"Digest\":\"").substr(0, 14),
            "file: does not");
}

TEST(FormatHostile, HugeListsEndQuickly) {
  const Parts parts = split(write_model(small_model()));
  const auto start = std::chrono::steady_clock::now();
  const auto with_ops = [&](const std::string& ops) {
    const size_t from = parts.header.find("\\\"ops\\\":["), to = parts.header.find("],\\\"outputs\\\"");
    std::string header = parts.header;
    header.replace(from, to - from, "\\\"ops\\\":[" + ops);
    // A payload as large as the header, so that the ratio is not what refuses it.
    Bytes payload = parts.payload;
    payload.resize(std::max(payload.size(), 2 * header.size()));
    return Parts{header, payload};
  };
  std::string empty = "{}";
  for (int i = 1; i < 1'000'000; ++i) empty += ",{}";
  EXPECT_NE(verdict(join(with_ops(empty))), "accepted");
  EXPECT_EQ(refusal([&] {
              Parts p = with_ops(empty);
              std::string graph =
                  "{\"arithmetic\":1,\"inputs\":[{}],\"ops\":[" + empty + "],\"outputs\":[1]}";
              parse_graph(graph, {});
            }),
            "inputs[0].name: absent");
  std::string chain;
  for (int i = 0; i < 100'001; ++i) {
    const std::string number = std::to_string(i);
    chain.append(i ? "," : "").append("{\"hi\":1,\"inputs\":[").append(number);
    chain.append("],\"lo\":0,\"name\":\"").append(number).append("\",\"op\":\"clamp\"}");
  }
  const std::string input = "{\"bits\":8,\"name\":\"x\",\"scale\":1,\"shape\":[1],\"zero_point\":0}";
  EXPECT_EQ(refusal([&] {
              parse_graph(
                  "{\"arithmetic\":1,\"inputs\":[" + input + "],\"ops\":[" + chain + "],\"outputs\":[1]}",
                  {});
            }),
            "ops: their number: 100001 is not in 1..100000");
  // 100,000 tensors in the table.
  std::string table = "{\"__metadata__\":{\"digest\":\"" + std::string(64, '0') +
                      "\",\"format\":\"icepoint\",\"version\":\"1\"}";
  for (int i = 0; i < 100'000; ++i)
    table += ",\"t" + std::to_string(i) + "\":{\"data_offsets\":[0,0],\"dtype\":\"U8\",\"shape\":[0]}";
  EXPECT_NE(verdict(join({table + "}", Bytes(table.size() + 64)})), "accepted");
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  EXPECT_LT(seconds.count(), 30.0);  // of the order of one second; sanitizers are slow
}

}  // namespace
}  // namespace icepoint::testing
