{
  # Built by native/build.mjs, which gives node_addon_api_dir and takes the headers of the Node that runs it.
  "variables": { "node_addon_api_dir%": "node_modules/node-addon-api" },
  "targets": [
    {
      "target_name": "holdfast",
      "sources": [
        "native/addon.cc",
        "native/arguments.cc",
        "native/closing.cc",
        "native/constants.cc",
        "native/environment.cc",
        "native/errors.cc",
        "native/process.cc",
        "native/receive_arena.cc",
        "native/socket.cc",
        "native/timer.cc"
      ],
      "include_dirs": ["<(node_addon_api_dir)"],
      "defines": [
        # Node-API 9: Node 18.17, 20.3 and everything later, with one binary.
        "NAPI_VERSION=9",
        "NODE_ADDON_API_DISABLE_DEPRECATED",
        # terminate() makes throwing impossible in the midst of a call: that is no reason to abort the process.
        "NODE_API_SWALLOW_UNTHROWABLE_EXCEPTIONS",
        "NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS",
        "_GNU_SOURCE"
      ],
      "cflags": [
        "-Wall",
        "-Wextra",
        "-Wformat=2",
        "-fstack-protector-strong",
        "-fstack-clash-protection",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2",
        "-fvisibility=hidden"
      ],
      "ldflags": ["-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"],
      "conditions": [
        ["target_arch=='x64'", { "cflags": ["-fcf-protection"] }],
        ["target_arch=='arm64'", { "cflags": ["-mbranch-protection=standard"] }]
      ]
    },
    {
      # A program of its own: it must live on when the process that loads the addon dies.
      "target_name": "holdfast-guard",
      "type": "executable",
      "sources": ["native/guard.c", "native/guard_ward.c", "native/guard_will.c"],
      "cflags": [
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Wformat=2",
        "-Wconversion",
        "-fPIE",
        "-fstack-protector-strong",
        "-fstack-clash-protection",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2"
      ],
      "ldflags": ["-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
    },
    {
      # A program of its own: what a script must not have is given up between fork and exec, in a process by itself.
      "target_name": "holdfast-script",
      "type": "executable",
      "sources": ["native/run_script.c"],
      "defines": ["_GNU_SOURCE"],
      "cflags": [
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Wformat=2",
        "-Wconversion",
        "-fPIE",
        "-fstack-protector-strong",
        "-fstack-clash-protection",
        "-U_FORTIFY_SOURCE",
        "-D_FORTIFY_SOURCE=2"
      ],
      "ldflags": ["-pie", "-Wl,-z,relro", "-Wl,-z,now", "-Wl,-z,noexecstack"]
    }
  ]
}
