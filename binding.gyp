{
  "targets": [
    {
      "target_name": "xengt",
      "conditions": [
        ["OS!='linux'", { "type": "none" }],
        [
          "OS=='linux'",
          {
            "sources": [
              "native/addon.cc",
              "native/socket.cc",
              "native/memory.cc",
              "native/eventfd.cc",
              "native/waiter.cc",
              "native/fuse.cc",
              "native/xen.cc",
              "native/xen_guest.cc",
              "native/xen_libs.cc",
              "native/xen_memory.cc"
            ],
            "include_dirs": ["<!(node -p \"require('node-addon-api').include_dir\")"],
            "defines": ["NAPI_VERSION=8", "NODE_ADDON_API_DISABLE_DEPRECATED", "NAPI_DISABLE_CPP_EXCEPTIONS"],
            "cflags_cc": ["-std=gnu++17", "-O2", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter", "-Wno-cast-function-type"]
          }
        ]
      ]
    }
  ]
}
