// Words of the design that this version knows and does not have.
#pragma once

#include <string_view>

namespace signalbox::syntax {

inline bool is_currency(std::string_view word) {
  for (std::string_view known : {"USD", "EUR", "JPY", "GBP", "CNY", "AUD", "CAD", "CHF", "HKD", "SGD", "SEK",
                                 "KRW", "NOK", "NZD", "INR", "MXN", "TWD", "ZAR", "BRL", "DKK", "PLN"})
    if (word == known) return true;
  return false;
}

inline bool is_calendar_unit(std::string_view word) {
  for (std::string_view known : {"calendar", "day", "week", "month", "quarter", "year"})
    if (word == known) return true;
  return false;
}

inline constexpr const char* later_money = "amounts of money are not supported yet";
inline constexpr const char* later_money_hint = "leave the currency out: a plain number counts as well";
inline constexpr const char* later_calendar = "periods of the calendar are not supported yet";
inline constexpr const char* later_calendar_hint = "write a length: over 30d";

}  // namespace signalbox::syntax
