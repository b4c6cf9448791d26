"""Conan 2 recipe of mx-rmq, from the checkout that it lies in.

    conan create packaging/conan --build=missing
    conan create packaging/conan -o "&:system_deps=True"     # hiredis, libuv and the rest from the system
"""
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load
from conan.tools.system.package_manager import Apt

ROOT = os.path.join("..", "..")


class MxRmq(ConanFile):
    name = "mx_rmq"
    package_type = "library"
    description = "C++20 coroutine message queue on Redis"
    license = "MIT"
    topics = ("message-queue", "redis", "coroutines")
    settings = "os", "arch", "compiler", "build_type"
    options = {"shared": [True, False], "fPIC": [True, False], "system_deps": [True, False], "tls": [True, False]}
    default_options = {"shared": False, "fPIC": True, "system_deps": False, "tls": True}

    def set_version(self):
        lists = load(self, os.path.join(self.recipe_folder, ROOT, "CMakeLists.txt"))
        self.version = re.search(r"project\(mx_rmq\s+VERSION ([0-9.]+)", lists).group(1)

    def export_sources(self):
        root = os.path.join(self.recipe_folder, ROOT)
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*", "lua/*"):
            copy(self, pattern, src=root, dst=self.export_sources_folder)

    def configure(self):
        if self.options.shared:
            self.options.rm_safe("fPIC")

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        if self.options.system_deps:
            return
        self.requires("nlohmann_json/3.11.3", transitive_headers=True)
        self.requires("hiredis/1.2.0")
        self.requires("libuv/1.48.0")
        self.requires("spdlog/1.14.1")
        if self.options.tls:
            self.requires("openssl/[>=3.0 <4]")

    def system_requirements(self):
        if self.options.system_deps:
            Apt(self).check(["libhiredis-dev", "libuv1-dev", "libspdlog-dev", "nlohmann-json3-dev"] +
                            (["libssl-dev"] if self.options.tls else []))

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"MX_RMQ_BUILD_{part}"] = False
        toolchain.cache_variables["MX_RMQ_TOOLS"] = "OFF"
        toolchain.cache_variables["MX_RMQ_TLS"] = "ON" if self.options.tls else "OFF"
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", src=self.source_folder, dst=os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # The package's own CMake files say it all: which JSON_DIAGNOSTICS it was compiled with, and mx_rmq::header_only.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "mx_rmq")]
        self.cpp_info.libs = ["mx_rmq"]
