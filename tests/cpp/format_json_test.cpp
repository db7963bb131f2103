// Strict JSON: what RFC 8259 leaves to the reader is decided here, and refused.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "format/json.h"
#include "graph/text.h"
#include "graph_fixtures.h"

namespace icepoint::testing {
namespace {

std::string verdict(const std::string& text) {
  return refusal([&] { parse_json(text, "j"); });
}

TEST(FormatJson, RefusesWhatIsNotOneStrictDocument) {
  EXPECT_EQ(verdict("{}"), "accepted");
  EXPECT_EQ(verdict("{\"a\":[1,{\"b\":null}],\"c\":true} \n"), "accepted");
  EXPECT_EQ(verdict("{\"\xf0\x9f\x98\x80\":\"\\ud83d\\ude00\"}"), "accepted");
  const std::vector<std::string> broken{"",
                                        " {}",
                                        "[]",
                                        "\"a\"",
                                        "1",
                                        "\xef\xbb\xbf{}",
                                        "{",
                                        "}",
                                        "{}}",
                                        "{} x",
                                        "{}{}",
                                        "{a:1}",
                                        "{'a':1}",
                                        "{\"a\":1,}",
                                        "{\"a\":[1,]}",
                                        "{\"a\" 1}",
                                        "{\"a\":}",
                                        "{,}",
                                        "{\"a\":1 \"b\":2}",
                                        "{/* c */}",
                                        "{} // c",
                                        "{\"a\":nul}",
                                        "{\"a\":True}",
                                        "{\"a\":NaN}",
                                        "{\"a\":Infinity}",
                                        "{\"a\":-Infinity}",
                                        "{\"a\":01}",
                                        "{\"a\":-01}",
                                        "{\"a\":+1}",
                                        "{\"a\":.5}",
                                        "{\"a\":5.}",
                                        "{\"a\":0x10}",
                                        "{\"a\":1e}",
                                        "{\"a\":-}",
                                        "{\"a\":1e400}",
                                        "{\"a\":\"\n\"}",
                                        "{\"a\":\"\\x41\"}",
                                        "{\"a\":\"\\u12\"}",
                                        "{\"a\":\"\\",
                                        "{\"a\":\"\\ud800\"}",
                                        "{\"a\":\"\\udc00\"}",
                                        "{\"a\":\"\\ud800\\u0041\"}",
                                        "{\"a\":\"\xc0\xaf\"}",
                                        "{\"a\":\"\xed\xa0\x80\"}",
                                        "{\"a\":\"\xff\"}",
                                        "{\"a\":\"\xf4\x90\x80\x80\"}",
                                        "{\"a\":\"\xe2\x82\"}"};
  for (const std::string& text : broken) EXPECT_EQ(verdict(text).substr(0, 3), "j: ") << text;
  EXPECT_EQ(verdict(std::string("{}\0", 3)), "j: NUL at byte 2");
  EXPECT_EQ(verdict(std::string("{\"a\":\"\0\"}", 9)), "j: NUL at byte 6");
}

TEST(FormatJson, RefusesDuplicateKeys) {
  EXPECT_EQ(verdict("{\"a\":1,\"b\":2,\"a\":1}"), "j: the key 'a' occurs twice");
  EXPECT_EQ(verdict("{\"a\":1,\"\\u0061\":1}"), "j: the key 'a' occurs twice");
  EXPECT_EQ(verdict("{\"x\":[{\"y\":{\"a\":1,\"a\":2}}]}"), "j: the key 'a' occurs twice");
  EXPECT_EQ(verdict("{\"\":1,\"\":2}"), "j: the key '' occurs twice");
  EXPECT_EQ(verdict("{\"a\":{\"a\":{\"a\":1}},\"b\":[{\"a\":1},{\"a\":1}]}"), "accepted");
}

TEST(FormatJson, DepthAndCountAreCapped) {
  const auto nested = [](size_t depth) {
    return "{\"a\":" + std::string(depth - 1, '[') + std::string(depth - 1, ']') + "}";
  };
  EXPECT_EQ(verdict(nested(8)), "accepted");
  EXPECT_EQ(verdict(nested(9)), "j: nested deeper than 8");
  EXPECT_EQ(verdict(nested(100'000)), "j: nested deeper than 8");
  std::string objects;
  for (int i = 0; i < 100'000; ++i) objects += "{\"a\":";
  EXPECT_EQ(verdict(objects), "j: nested deeper than 8");
  std::string many = "{\"a\":[1";
  for (int i = 0; i < (1 << 20) - 3; ++i) many += ",1";
  EXPECT_EQ(verdict(many + "]}"), "accepted");  // 2^20 values: the object, the list and its numbers
  EXPECT_EQ(verdict(many + ",1]}"), "j: more than 1048576 values");
  EXPECT_EQ(verdict("{\"a\":\"" + std::string(16 << 20, 'x') + "\"}"),
            "j: 16777224 bytes are more than 16777216");
}

TEST(FormatJson, IntegersAreExact) {
  const auto integer = [](const std::string& digits) {
    return refusal([&] { to_int(*parse_json("{\"a\":" + digits + "}", "j").find("a"), "a"); });
  };
  const auto value = [](const std::string& digits) {
    return to_int(*parse_json("{\"a\":" + digits + "}", "j").find("a"), "a");
  };
  EXPECT_EQ(value("0"), 0);
  EXPECT_EQ(value("-1"), -1);
  EXPECT_EQ(value("9007199254740993"), 9007199254740993);  // 2^53 + 1 has no double
  EXPECT_EQ(value("9223372036854775807"), std::numeric_limits<int64_t>::max());
  EXPECT_EQ(value("-9223372036854775808"), std::numeric_limits<int64_t>::min());
  for (const char* digits :
       {"2.0", "2e0", "2E0", "-0", "-0.0", "9223372036854775808", "-9223372036854775809",
        "18446744073709551615", "18446744073709551616", "123456789012345678901234567890"})
    EXPECT_EQ(integer(digits), "a: found a number, expected an integer") << digits;
  EXPECT_EQ(integer("true"), "a: found true or false, expected an integer");
  EXPECT_EQ(integer("null"), "a: found null, expected an integer");
  EXPECT_EQ(integer("\"1\""), "a: found a string, expected an integer");
  EXPECT_EQ(integer("[1]"), "a: found a list, expected an integer");
}

TEST(FormatJson, FloatsAreExactFloat32) {
  const auto number = [](const std::string& digits) {
    return to_float(*parse_json("{\"a\":" + digits + "}", "j").find("a"), "a");
  };
  EXPECT_EQ(number("1"), 1.0f);
  EXPECT_EQ(number("0.5"), 0.5f);
  EXPECT_EQ(number("0.10000000149011612"), 0.1f);
  EXPECT_EQ(number("1.2676506002282294e+30"), 0x1p100f);
  EXPECT_EQ(number("7.888609052210118e-31"), 0x1p-100f);
  for (const char* digits : {"0.1", "1e39", "1e300", "16777217", "1e-60", "0.10000000149011613"})
    EXPECT_NE(refusal([&] { number(digits); }), "accepted") << digits;
  EXPECT_EQ(refusal([&] { number("0.1"); }), "a: '0.1' is not exactly a float32");
  EXPECT_EQ(refusal([&] { number("\"0.5\""); }), "a: found a string, expected a number");
  for (uint32_t bits : {0x3dcccccdu, 0x00000001u, 0x7effffffu, 0x80000000u, 0xbeaaaaabu}) {
    float value = 0;
    std::memcpy(&value, &bits, 4);
    const float back = number(emit_float(value));
    EXPECT_EQ(std::memcmp(&back, &value, 4), 0) << emit_float(value);
  }
}

TEST(FormatJson, QuotedTextIsShortAndPlain) {
  EXPECT_EQ(in_quotes("plain \u00e9"), "'plain \u00e9'");
  EXPECT_EQ(in_quotes("\x1b]0;x\x07"), "'\\x1b]0;x\\x07'");
  EXPECT_EQ(in_quotes("\xc2\x85|\xff"), "'\\xc2\\x85|\\xff'");
  EXPECT_LE(in_quotes(std::string(1'000'000, 'a')).size(), 80u);
  EXPECT_LE(in_quotes(std::string(1'000'000, '\x01')).size(), 80u);
}

}  // namespace
}  // namespace icepoint::testing
