#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| talos_order::fuzz::feed("vm_config", bytes));
