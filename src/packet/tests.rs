use super::*;
use std::io::Read;

fn word(value: u32, big: bool) -> [u8; 4] {
    if big { value.to_be_bytes() } else { value.to_le_bytes() }
}

fn pcap(big: bool, magic: u32) -> Vec<u8> {
    let mut file = Vec::new();
    file.extend(word(magic, big));
    let version = if big { [0, 2, 0, 4] } else { [2, 0, 4, 0] };
    file.extend(version);
    for w in [0, 0, 65535, 1, 7, 9, 3, 60] {
        file.extend(word(w, big));
    }
    file.extend([1, 2, 3]);
    file
}

fn words(w: &[u32]) -> Vec<u8> {
    w.iter().flat_map(|w| w.to_le_bytes()).collect()
}

fn block(file: &mut Vec<u8>, kind: u32, body: &[u8]) {
    let len = body.len() as u32 + 12;
    file.extend(words(&[kind, len]));
    file.extend(body);
    file.extend(len.to_le_bytes());
}

/// A section with a length, an interface in nanoseconds of link type 1, one of link type 101, and
/// four packets.
fn pcapng() -> Vec<u8> {
    let mut file = Vec::new();
    block(&mut file, 0x0a0d_0d0a, &words(&[0x1a2b_3c4d, 1, 500, 0]));
    block(&mut file, 1, &words(&[1, 0, 1 << 16 | 9, 9, 0]));
    block(&mut file, 1, &words(&[101, 0, 0]));
    block(&mut file, 6, &words(&[0, 0, 5, 2, 2, 0x0201, 4 << 16 | 2, 2, 0]));
    block(&mut file, 6, &words(&[1, 0, 5, 1, 9, 0x45]));
    block(&mut file, 0xbad, &[7; 4]);
    block(&mut file, 3, &words(&[4, 0x0403_0201]));
    block(&mut file, 2, &words(&[1, 0, 3, 4, 4, 0x0403_0201]));
    file
}

/// A stream that gives a byte at a time.
struct Dribble<'a>(&'a [u8]);

impl Read for Dribble<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.0.len().min(buffer.len()).min(1);
        buffer[..n].copy_from_slice(&self.0[..n]);
        self.0 = &self.0[n..];
        Ok(n)
    }
}

type Owned = (u64, u32, u32, u32, Option<Direction>, Vec<u8>);

fn own(p: &Captured<'_>) -> Owned {
    (p.time, p.link_type, p.original_len, p.interface, p.direction, p.bytes.to_vec())
}

fn by_stream(input: impl Read) -> (Vec<Owned>, Option<ReadError>) {
    let mut out = Vec::new();
    let mut reader = match Reader::open(input) {
        Ok(reader) => reader,
        Err(error) => return (out, Some(error)),
    };
    loop {
        match reader.next_packet() {
            Ok(Some(packet)) => out.push(own(&packet)),
            Ok(None) => return (out, None),
            Err(error) => {
                assert!(matches!(reader.next_packet(), Ok(None)));
                return (out, Some(error));
            }
        }
    }
}

fn by_slice(bytes: &[u8]) -> (Vec<Owned>, Option<Error>) {
    let mut out = Vec::new();
    match Capture::open(bytes) {
        Ok(capture) => {
            for packet in capture {
                match packet {
                    Ok(packet) => out.push(own(&packet)),
                    Err(error) => return (out, Some(error)),
                }
            }
            (out, None)
        }
        Err(error) => (out, Some(error)),
    }
}

#[test]
fn pcap_of_both_orders_and_resolutions() {
    for big in [false, true] {
        for (magic, time) in [(0xa1b2_c3d4, 7_000_009_000), (0xa1b2_3c4d, 7_000_000_009)] {
            let file = pcap(big, magic);
            let expected = (time, 1, 60, 0, None, vec![1, 2, 3]);
            assert_eq!(by_slice(&file), (vec![expected], None));
        }
    }
}

#[test]
fn pcap_s_old_habits() {
    let mut file = pcap(false, 0xa1b2_c3d4);
    // Version 2.2 has the lengths the other way around.
    file[6] = 2;
    file[32..40].copy_from_slice(&words(&[60, 3]));
    assert_eq!(by_slice(&file).0[0].5, [1, 2, 3]);
    // Kuznetzov's patches: eight bytes more.
    let mut file = pcap(false, 0xa1b2_cd34);
    file.splice(40..40, [0; 8]);
    assert_eq!(by_slice(&file).0[0].5, [1, 2, 3]);
    // A snapshot length below the packet's.
    let mut file = pcap(false, 0xa1b2_c3d4);
    file[16] = 2;
    file[17] = 0;
    assert_eq!(by_slice(&file).0[0].5, [1, 2]);
    file[32..36].copy_from_slice(&[0xff; 4]);
    let problem = Problem::Length { length: u32::MAX, max: MAX_RECORD };
    assert_eq!(by_slice(&file).1, Some(Error { offset: 32, problem }));
}

#[test]
fn pcapng_with_interfaces_of_their_own() {
    let expected: Vec<Owned> = vec![
        (5, 1, 2, 0, Some(Direction::Outbound), vec![1, 2]),
        (5000, 101, 9, 1, None, vec![0x45]),
        (0, 1, 4, 0, None, vec![1, 2, 3, 4]),
        (3000, 101, 4, 1, None, vec![1, 2, 3, 4]),
    ];
    assert_eq!(by_slice(&pcapng()), (expected, None));
}

#[test]
fn streams_give_what_slices_give() {
    for file in [pcap(false, 0xa1b2_c3d4), pcap(true, 0xa1b2_3c4d), pcapng()] {
        for len in 0..=file.len() {
            let (packets, fault) = by_slice(&file[..len]);
            for (got, error) in [by_stream(&file[..len]), by_stream(Dribble(&file[..len]))] {
                assert_eq!(got, packets);
                match (error, fault) {
                    (None, None) => {}
                    (Some(ReadError::Capture(error)), Some(fault)) => assert_eq!(error, fault),
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn long_records_grow_the_buffer() {
    let mut file = pcap(false, 0xa1b2_c3d4);
    let long: Vec<u8> = (0..3u32 << 20).map(|i| (i >> 3) as u8).collect();
    file[16..20].copy_from_slice(&words(&[1 << 24]));
    file.truncate(24);
    for _ in 0..2 {
        file.extend(words(&[1, 2, long.len() as u32, long.len() as u32]));
        file.extend(&long);
    }
    let (packets, error) = by_stream(&file[..]);
    assert!(error.is_none() && packets.len() == 2 && packets.iter().all(|p| p.5 == long));
    // A length that the stream does not hold takes no memory for it.
    file.truncate(24);
    file.extend(words(&[1, 2, MAX_RECORD, MAX_RECORD]));
    let mut reader = Reader::open(&file[..]).unwrap();
    assert!(matches!(reader.next_packet(), Err(error) if error.is_truncation()));
    assert!(reader.allocated() <= 2 << 20);
}

#[test]
fn writing_all_parts_gives_the_file() {
    for mut file in [pcap(false, 0xa1b2_c3d4), pcap(true, 0xa1b2_3c4d), pcapng()] {
        let mut reader = Reader::open(Dribble(&file)).unwrap();
        let mut writer = Writer::new(Vec::new());
        while let Some(part) = reader.next_part().unwrap() {
            writer.part(&part).unwrap();
        }
        let copy = writer.finish().unwrap();
        if reader.format() == FileFormat::Pcapng {
            file[16..24].fill(0xff);
        }
        assert_eq!(copy, file);
    }
}

#[test]
fn faults_have_a_place_and_end_the_capture() {
    assert!(matches!(Capture::open(b"hello, world, this is no capture"), Err(Error { offset: 0, .. })));
    let mut file = pcap(false, 0xa1b2_c3d4);
    file.pop();
    let problem = Problem::Truncated { need: 19, have: 18 };
    assert_eq!(by_slice(&file), (vec![], Some(Error { offset: 24, problem })));
}

#[test]
fn any_bytes_end() {
    for seed in 0..2000u32 {
        let mut bytes: Vec<u8> = (0..64u32).map(|i| (seed.wrapping_mul(i * i + 7) >> 3) as u8).collect();
        let magic: [u8; 4] = if seed % 2 == 0 { [0x0a, 0x0d, 0x0d, 0x0a] } else { [0xd4, 0xc3, 0xb2, 0xa1] };
        bytes[..4].copy_from_slice(&magic);
        if let Ok(capture) = Capture::open(&bytes) {
            assert!(capture.count() < 64);
        }
    }
}
