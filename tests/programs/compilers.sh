#!/bin/bash
# compilers.sh - g++ and clang++ on a header-heavy file: the same assembly comes out.
. "$(dirname "$0")/lib.sh"
need g++

cat >heavy.cc <<'END'
#include <algorithm>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <unordered_map>
#include <vector>
std::map<std::string, std::vector<std::shared_ptr<std::function<int(int)>>>> table;
int main() {
    std::regex words("[a-z]+([0-9]*)");
    std::unordered_map<std::string, std::map<int, std::string>> deep;
    std::mt19937 chance(7);
    for (int i = 0; i < 10; i++) deep[std::to_string(chance())][i] = std::regex_replace("ab12", words, "$1");
    std::cout << deep.size() << table.size() << '\n';
}
END
same_output gcc g++ -std=c++17 -O1 -S -o - heavy.cc
command -v clang++ >/dev/null || exit 0
same_output clang clang++ -std=c++17 -O1 -S -o - heavy.cc
