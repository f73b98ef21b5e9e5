;; Both passes of Pillow's bicubic resize with 128-bit vectors; see resize-vector.ts, which lays out the memory.
;; A weight of 23 bits does not fit a factor of 16, so it comes as two: weight = high * 4096 + low, 0 <= low < 4096. Products of two
;; neighbouring inputs are added at once. Sums wrap at 32 bits as the reference's do, so the order of adding changes nothing.
;; A table has one record for each output place: the byte offset of its first input, then for each pair of inputs the high factors
;; (two of 16 bits) and the low ones.
(module
  (memory (export "memory") 1)

  ;; Horizontal pass over rows of RGB, four rows at a time: u8[rows, *, 3] -> u8[rows, width, 3].
  (func (export "rows")
    (param $source i32) (param $target i32)
    (param $rows i32)        ;; a multiple of 4
    (param $sourceLine i32) (param $targetLine i32) ;; bytes from row to row
    (param $width i32) (param $table i32) (param $pairs i32)
    (local $record i32) (local $place i32) (local $pair i32)
    (local $a i32) (local $b i32) (local $c i32) (local $d i32) (local $to i32)
    (local $high v128) (local $low v128) (local $pixels v128)
    (local $ah v128) (local $bh v128) (local $ch v128) (local $dh v128)
    (local $al v128) (local $bl v128) (local $cl v128) (local $dl v128)
    (loop $nextRows
      (local.set $record (local.get $table))
      (local.set $place (local.get $width))
      (local.set $to (local.get $target))
      (loop $nextPlace
        (local.set $a (i32.add (local.get $source) (i32.load (local.get $record))))
        (local.set $b (i32.add (local.get $a) (local.get $sourceLine)))
        (local.set $c (i32.add (local.get $b) (local.get $sourceLine)))
        (local.set $d (i32.add (local.get $c) (local.get $sourceLine)))
        (local.set $record (i32.add (local.get $record) (i32.const 4)))
        (local.set $ah (v128.const i32x4 0 0 0 0))
        (local.set $bh (v128.const i32x4 0 0 0 0))
        (local.set $ch (v128.const i32x4 0 0 0 0))
        (local.set $dh (v128.const i32x4 0 0 0 0))
        ;; one half of 22 fraction bits: rounding
        (local.set $al (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $bl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $cl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $dl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $pair (local.get $pairs))
        (loop $nextPair
          (local.set $high (v128.load32_splat (local.get $record)))
          (local.set $low (v128.load32_splat offset=4 (local.get $record)))
          (local.set $record (i32.add (local.get $record) (i32.const 8)))
          ;; two pixels as red, red, green, green, blue, blue, 0, 0 of 16 bits
          (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $a))
            (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
          (local.set $ah (i32x4.add (local.get $ah) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $al (i32x4.add (local.get $al) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $b))
            (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
          (local.set $bh (i32x4.add (local.get $bh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $bl (i32x4.add (local.get $bl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $c))
            (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
          (local.set $ch (i32x4.add (local.get $ch) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $cl (i32x4.add (local.get $cl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i8x16.swizzle (v128.load64_zero (local.get $d))
            (v128.const i8x16 0 0x80 3 0x80 1 0x80 4 0x80 2 0x80 5 0x80 0x80 0x80 0x80 0x80)))
          (local.set $dh (i32x4.add (local.get $dh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $dl (i32x4.add (local.get $dl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $a (i32.add (local.get $a) (i32.const 6)))
          (local.set $b (i32.add (local.get $b) (i32.const 6)))
          (local.set $c (i32.add (local.get $c) (i32.const 6)))
          (local.set $d (i32.add (local.get $d) (i32.const 6)))
          (br_if $nextPair (local.tee $pair (i32.sub (local.get $pair) (i32.const 1)))))
        ;; four pixels of four rows, clamped to bytes
        (local.set $pixels (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $ah) (i32.const 12)) (local.get $al)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $bh) (i32.const 12)) (local.get $bl)) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $ch) (i32.const 12)) (local.get $cl)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $dh) (i32.const 12)) (local.get $dl)) (i32.const 22)))))
        ;; The fourth byte is overwritten by the next place, or lies in the padding of the line.
        (local.set $a (local.get $to))
        (v128.store32_lane 0 (local.get $a) (local.get $pixels))
        (v128.store32_lane 1 (local.tee $a (i32.add (local.get $a) (local.get $targetLine))) (local.get $pixels))
        (v128.store32_lane 2 (local.tee $a (i32.add (local.get $a) (local.get $targetLine))) (local.get $pixels))
        (v128.store32_lane 3 (local.tee $a (i32.add (local.get $a) (local.get $targetLine))) (local.get $pixels))
        (local.set $to (i32.add (local.get $to) (i32.const 3)))
        (br_if $nextPlace (local.tee $place (i32.sub (local.get $place) (i32.const 1)))))
      (local.set $source (i32.add (local.get $source) (i32.shl (local.get $sourceLine) (i32.const 2))))
      (local.set $target (i32.add (local.get $target) (i32.shl (local.get $targetLine) (i32.const 2))))
      (br_if $nextRows (local.tee $rows (i32.sub (local.get $rows) (i32.const 4))))))

  ;; Vertical pass: u8[*, line] -> u8[height, line], sixteen bytes at a time. What is written behind a line belongs to the next, which
  ;; comes later, or to the room behind the output.
  (func (export "columns")
    (param $source i32) (param $target i32)
    (param $height i32)
    (param $sourceLine i32)  ;; bytes from row to row
    (param $line i32)        ;; bytes of an output row
    (param $table i32) (param $pairs i32)
    (local $record i32) (local $x i32) (local $pair i32) (local $weights i32) (local $from i32)
    (local $high v128) (local $low v128) (local $one v128) (local $two v128) (local $pixels v128)
    (local $ah v128) (local $bh v128) (local $ch v128) (local $dh v128)
    (local $al v128) (local $bl v128) (local $cl v128) (local $dl v128)
    (local.set $record (local.get $table))
    (loop $nextRow
      (local.set $x (i32.const 0))
      (loop $nextBytes
        (local.set $from (i32.add (i32.add (local.get $source) (i32.load (local.get $record))) (local.get $x)))
        (local.set $weights (i32.add (local.get $record) (i32.const 4)))
        (local.set $ah (v128.const i32x4 0 0 0 0))
        (local.set $bh (v128.const i32x4 0 0 0 0))
        (local.set $ch (v128.const i32x4 0 0 0 0))
        (local.set $dh (v128.const i32x4 0 0 0 0))
        (local.set $al (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $bl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $cl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $dl (v128.const i32x4 0x200000 0x200000 0x200000 0x200000))
        (local.set $pair (local.get $pairs))
        (loop $nextPair
          (local.set $high (v128.load32_splat (local.get $weights)))
          (local.set $low (v128.load32_splat offset=4 (local.get $weights)))
          (local.set $weights (i32.add (local.get $weights) (i32.const 8)))
          ;; the bytes of two rows in turn
          (local.set $pixels (v128.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (local.get $sourceLine)))
          (local.set $two (v128.load (local.get $from)))
          (local.set $from (i32.add (local.get $from) (local.get $sourceLine)))
          (local.set $one (i8x16.shuffle 0 16 1 17 2 18 3 19 4 20 5 21 6 22 7 23 (local.get $pixels) (local.get $two)))
          (local.set $two (i8x16.shuffle 8 24 9 25 10 26 11 27 12 28 13 29 14 30 15 31 (local.get $pixels) (local.get $two)))
          (local.set $pixels (i16x8.extend_low_i8x16_u (local.get $one)))
          (local.set $ah (i32x4.add (local.get $ah) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $al (i32x4.add (local.get $al) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i16x8.extend_high_i8x16_u (local.get $one)))
          (local.set $bh (i32x4.add (local.get $bh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $bl (i32x4.add (local.get $bl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i16x8.extend_low_i8x16_u (local.get $two)))
          (local.set $ch (i32x4.add (local.get $ch) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $cl (i32x4.add (local.get $cl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (local.set $pixels (i16x8.extend_high_i8x16_u (local.get $two)))
          (local.set $dh (i32x4.add (local.get $dh) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $high))))
          (local.set $dl (i32x4.add (local.get $dl) (i32x4.dot_i16x8_s (local.get $pixels) (local.get $low))))
          (br_if $nextPair (local.tee $pair (i32.sub (local.get $pair) (i32.const 1)))))
        (v128.store (i32.add (local.get $target) (local.get $x)) (i8x16.narrow_i16x8_u
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $ah) (i32.const 12)) (local.get $al)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $bh) (i32.const 12)) (local.get $bl)) (i32.const 22)))
          (i16x8.narrow_i32x4_s
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $ch) (i32.const 12)) (local.get $cl)) (i32.const 22))
            (i32x4.shr_s (i32x4.add (i32x4.shl (local.get $dh) (i32.const 12)) (local.get $dl)) (i32.const 22)))))
        (br_if $nextBytes
          (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 16))) (local.get $line))))
      (local.set $record (local.get $weights))
      (local.set $target (i32.add (local.get $target) (local.get $line)))
      (br_if $nextRow (local.tee $height (i32.sub (local.get $height) (i32.const 1)))))))
