/* only_new.cc - a C++ program that names nothing of the archive but the operators: the linker must
 * still take malloc from there and not from libc.
 * Layer: tests (includes the C++ library only). */
extern const char arenite_registry[] __attribute__((weak));

namespace {

struct Link {
    Link *next;
};

} // namespace

int main() {
    Link *list = nullptr;
    for (int i = 0; i < 1000; i++) {
        list = new Link{list};
    }
    while (list != nullptr) {
        Link *next = list->next;
        delete list;
        list = next;
    }
    return arenite_registry != nullptr ? 0 : 1;
}
