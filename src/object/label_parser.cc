// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/labels/selector.go, v0.34: grammar and sentences.
#include "object/label_parser.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "object/names.h"

namespace tetrarch::object {
namespace {

enum class TokenKind : std::uint8_t { end, identifier, close, comma, negation, open, binary };

struct Token {
  TokenKind kind = TokenKind::end;
  std::string_view text = {};
  bool is_word = false;  ///< `in` and `notin`: operators where one can stand, identifiers elsewhere
};

constexpr std::string_view kSpecial = "=!(),><";
constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kBinaryOperators = "in, notin, =, ==, !=, gt, lt";

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

Error unexpected(std::string_view found, std::string_view expected) {
  return malformed("found '" + std::string(found) + "', expected: " + std::string(expected));
}

TokenKind kind_of(std::string_view text) {
  if (text == "(" || text == ")") {
    return text == "(" ? TokenKind::open : TokenKind::close;
  }
  if (text == "," || text == "!") {
    return text == "," ? TokenKind::comma : TokenKind::negation;
  }
  return TokenKind::binary;
}

/// Takes one token off the front.
Token next_token(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(kBlank), text.size()));
  if (text.empty()) {
    return {};
  }
  const bool is_special = kSpecial.find(text.front()) != std::string_view::npos;
  std::size_t size = 1;
  if (is_special) {
    constexpr std::array<std::string_view, 2> kPairs = {"==", "!="};
    size = std::find(kPairs.begin(), kPairs.end(), text.substr(0, 2)) == kPairs.end() ? 1 : 2;
  } else {
    size = std::min(text.find_first_of("=!(),>< \t\r\n"), text.size());
  }
  const auto taken = text.substr(0, size);
  text.remove_prefix(size);
  if (is_special) {
    return {kind_of(taken), taken};
  }
  return {TokenKind::identifier, taken, taken == "in" || taken == "notin"};
}

class Parser {
 public:
  explicit Parser(std::string_view text) {
    do {
      tokens_.push_back(next_token(text));
    } while (tokens_.back().kind != TokenKind::end);
  }

  Result<std::vector<LabelTerm>> parse();

 private:
  Result<LabelTerm> parse_term();
  Result<std::vector<std::string>> parse_set();
  Result<std::vector<std::string>> parse_single();

  /// Past the last token there is only the end.
  const Token& peek() const { return tokens_[std::min(at_, tokens_.size() - 1)]; }

  const Token& take() {
    const Token& token = peek();
    ++at_;
    return token;
  }

  bool is_at_term_end() const {
    return peek().kind == TokenKind::end || peek().kind == TokenKind::comma;
  }

  std::vector<Token> tokens_;  ///< the last one is the end
  std::size_t at_ = 0;
};

Result<std::vector<LabelTerm>> Parser::parse() {
  std::vector<LabelTerm> terms;
  const auto is_start = [](const Token& token) {
    return token.kind == TokenKind::identifier || token.kind == TokenKind::negation;
  };
  if (peek().kind == TokenKind::end) {
    return terms;
  }
  if (!is_start(peek())) {
    return unexpected(peek().text, "!, identifier, or 'end of string'");
  }
  while (true) {
    auto term = parse_term();
    if (!term.ok()) {
      return malformed("unable to parse requirement: " + term.error().message);
    }
    terms.push_back(std::move(*term));
    const Token& separator = take();
    if (separator.kind == TokenKind::end) {
      return terms;
    }
    if (separator.kind != TokenKind::comma) {
      return unexpected(separator.text, "',' or 'end of string'");
    }
    if (!is_start(peek())) {
      return unexpected(peek().text, "identifier after ','");
    }
  }
}

Result<LabelTerm> Parser::parse_term() {
  LabelTerm term;
  const bool is_negated = peek().kind == TokenKind::negation;
  if (is_negated) {
    take();
  }
  const Token& key = take();
  if (key.kind != TokenKind::identifier) {
    return unexpected(key.text, "identifier");
  }
  if (const auto faults = label_key_faults(key.text); !faults.empty()) {
    return malformed("<nil>: Invalid value: " + go_quoted(key.text) + ": " + joined(faults));
  }
  term.key = std::string(key.text);
  if (is_negated || is_at_term_end()) {
    term.op = is_negated ? "!" : "exists";
    return term;
  }
  const Token& op = take();
  if (op.kind != TokenKind::binary && !op.is_word) {
    return unexpected(op.text, kBinaryOperators);
  }
  term.op = std::string(op.text);
  TRY(term.values, op.is_word ? parse_set() : parse_single());
  return term;
}

/// "(a,,b)": a, nothing, b. "()": nothing.
Result<std::vector<std::string>> Parser::parse_set() {
  if (const Token& open = take(); open.kind != TokenKind::open) {
    return malformed("found '" + std::string(open.text) + "' expected: '('");
  }
  std::vector<std::string> values;
  if (peek().kind != TokenKind::identifier && peek().kind != TokenKind::comma &&
      peek().kind != TokenKind::close) {
    return unexpected(peek().text, "',', ')' or identifier");
  }
  while (true) {
    values.emplace_back();
    if (peek().kind == TokenKind::identifier) {
      values.back() = std::string(take().text);
      if (peek().kind != TokenKind::comma && peek().kind != TokenKind::close) {
        return unexpected(peek().text, "',' or ')'");
      }
    }
    const Token& separator = take();
    if (separator.kind == TokenKind::close) {
      return values;
    }
    if (separator.kind != TokenKind::comma) {
      return unexpected(separator.text, "',', or identifier");
    }
  }
}

Result<std::vector<std::string>> Parser::parse_single() {
  if (is_at_term_end()) {
    return std::vector<std::string>{""};
  }
  const Token& value = take();
  if (value.kind != TokenKind::identifier) {
    return unexpected(value.text, "identifier");
  }
  return std::vector<std::string>{std::string(value.text)};
}

}  // namespace

Result<std::vector<LabelTerm>> parse_label_terms(std::string_view text) {
  return Parser(text).parse();
}

}  // namespace tetrarch::object
