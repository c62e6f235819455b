//! Messages of both sides in both codecs: no panic, and what was read is the same after it was written again, in
//! either codec.
#![no_main]

use libfuzzer_sys::fuzz_target;
use purr_protocol::Codec;

fuzz_target!(|data: &[u8]| {
    let Some((first, bytes)) = data.split_first() else {
        return;
    };
    let codec = if first & 1 == 0 { Codec::Proto } else { Codec::Json };
    if first & 2 == 0 {
        if let Ok(message) = codec.decode_client(bytes) {
            for codec in Codec::ALL {
                let written = codec.encode_client(&message).expect("what was read can be written");
                if let Ok(again) = codec.decode_client(&written) {
                    assert_eq!(again, message);
                } else {
                    assert!(written.len() > purr_protocol::MESSAGE_BYTES_MAX, "{message:?}");
                }
            }
        }
    } else if let Ok(message) = codec.decode_server(bytes) {
        for codec in Codec::ALL {
            let written = codec.encode_server(&message).expect("what was read can be written");
            if let Ok(again) = codec.decode_server(&written) {
                assert_eq!(again, message);
            } else {
                assert!(written.len() > purr_protocol::MESSAGE_BYTES_MAX, "{message:?}");
            }
        }
    }
});
