use super::*;
use crate::cbpf::{Dialect, Filter, text};

fn listing(expression: &str, options: &Options<'_>) -> alloc::string::String {
    let program = compile(expression, options).unwrap_or_else(|e| panic!("{}", e.show(expression)));
    Filter::check(&program, Dialect::Pcap).unwrap();
    text::write(&program, text::Form::Tcpdump).unwrap()
}

#[test]
fn print_one() {
    extern crate std;
    let options = Options::new(LinkType::Ethernet);
    std::println!("{}", listing("tcp port 80 and host 10.0.0.1", &options));
}
