# The model kernel: an archive that the tool, its tests and its bench link. It takes its lists of
# blocks from the buddy core and nothing else of the library; unit tests link the library beside it.

file(GLOB ARENITE_MODEL_SOURCES CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/model/*.c)

if(ARENITE_MODEL_SOURCES)
    find_package(Threads REQUIRED)
    add_library(arenite_model STATIC EXCLUDE_FROM_ALL ${ARENITE_MODEL_SOURCES}
        ${PROJECT_SOURCE_DIR}/src/pages/buddy.c)
    target_link_libraries(arenite_model PRIVATE arenite_library_flags arenite_strict)
    target_link_libraries(arenite_model PUBLIC Threads::Threads)
endif()
