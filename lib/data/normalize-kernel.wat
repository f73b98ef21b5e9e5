;; Bytes to normalised floats by tables, and places of three channels to three planes; see normalize-vector.ts, which lays out the memory.
(module
  (memory (export "memory") 1)

  ;; u8[places, 3] -> f32[3, places] by f32[3, 256]. The address of an entry is written out: a call for each byte takes ten times as long.
  (func (export "normalize")
    (param $source i32) (param $places i32) (param $target i32) (param $tables i32)
    (local $plane i32) ;; bytes from plane to plane
    (local $end i32) (local $vectors i32)
    (local $channel i32) (local $table i32) (local $at i32) (local $to i32)
    (local.set $plane (i32.shl (local.get $places) (i32.const 2)))
    (local.set $end (i32.add (local.get $source) (i32.mul (local.get $places) (i32.const 3))))
    (local.set $vectors (i32.shr_u (local.get $places) (i32.const 2)))
    ;; four places at a time
    (block $none
      (br_if $none (i32.eqz (local.get $vectors)))
      (loop $nextVector
        (local.set $channel (i32.const 0))
        (local.set $table (local.get $tables))
        (local.set $to (local.get $target))
        (loop $nextChannel
          (local.set $at (i32.add (local.get $source) (local.get $channel)))
          (v128.store (local.get $to)
            (v128.load32_lane 3
              (i32.add (local.get $table) (i32.shl (i32.load8_u offset=9 (local.get $at)) (i32.const 2)))
              (v128.load32_lane 2
                (i32.add (local.get $table) (i32.shl (i32.load8_u offset=6 (local.get $at)) (i32.const 2)))
                (v128.load32_lane 1
                  (i32.add (local.get $table) (i32.shl (i32.load8_u offset=3 (local.get $at)) (i32.const 2)))
                  (v128.load32_splat (i32.add (local.get $table) (i32.shl (i32.load8_u (local.get $at)) (i32.const 2))))))))
          (local.set $table (i32.add (local.get $table) (i32.const 1024)))
          (local.set $to (i32.add (local.get $to) (local.get $plane)))
          (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
          (br_if $nextChannel (i32.lt_u (local.get $channel) (i32.const 3))))
        (local.set $source (i32.add (local.get $source) (i32.const 12)))
        (local.set $target (i32.add (local.get $target) (i32.const 16)))
        (local.set $vectors (i32.sub (local.get $vectors) (i32.const 1)))
        (br_if $nextVector (local.get $vectors))))
    ;; what is left, place by place
    (block $whole
      (br_if $whole (i32.ge_u (local.get $source) (local.get $end)))
      (loop $nextPlace
        (local.set $channel (i32.const 0))
        (local.set $table (local.get $tables))
        (local.set $to (local.get $target))
        (loop $nextChannel
          (i32.store (local.get $to)
            (i32.load (i32.add (local.get $table) (i32.shl (i32.load8_u (i32.add (local.get $source) (local.get $channel))) (i32.const 2)))))
          (local.set $table (i32.add (local.get $table) (i32.const 1024)))
          (local.set $to (i32.add (local.get $to) (local.get $plane)))
          (local.set $channel (i32.add (local.get $channel) (i32.const 1)))
          (br_if $nextChannel (i32.lt_u (local.get $channel) (i32.const 3))))
        (local.set $source (i32.add (local.get $source) (i32.const 3)))
        (local.set $target (i32.add (local.get $target) (i32.const 4)))
        (br_if $nextPlace (i32.lt_u (local.get $source) (local.get $end)))))))
