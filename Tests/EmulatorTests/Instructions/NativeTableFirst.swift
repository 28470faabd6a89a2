// SPDX-License-Identifier: Apache-2.0

extension NativeTable {
    /// ALU operations, moves, multiplications and shifts, one instruction a row.
    static let first = """
        800:663a3579b3e0ff i2=66189f9594f61ef8 f=80 F=5;
        800:472a249e ib=b ic=2c id=5bf56e60 ie=1009be4 if=fffffffff7457b7c f=841 oc=1d F=14;
        800:0501000000 i0=10000000000000 f=8c1 o0=1 F=0;
        800:4e301559e8e0ff ia=1ffffffff f=8c4 mf060=9f k=cc5 F=84;
        800:4014f7 i0=ffffffffff8b1300 f=810 o0=ffffffffff8b13f7 F=80;
        ffe:43014217 i0=7f ia=10076b9 ib=8000000000000000 ic=ffffffffffffff2c id=3f
        ie=c0b2d4dcbcc7499e if=27 f=895 m76d0=8d F=94;
        800:6643292c75ca520001 i5=0 ie=ffffffffffffff19 if=0 f=50 F=84;
        800:6648253f000000 i0=ffffffffffffffa1 f=c1 o0=21 k=cc5 F=4;
        800:3b4378 i0=ffffffffffffffc0 i3=100404e f=8c5 F=90;
        800:664005e546 i0=0 f=84 o0=46e5 F=0;
        800:32d3 i2=ffff i3=977ca89eb0b4bf2b f=804 o2=ffd4 k=cc5 F=84;
        800:0c7a i0=0 f=15 o0=7a k=cc5 F=0;
        800:14ff i0=eb f=14 o0=ea F=91;
        800:4400d4 i4=ffffffffffffffff ia=3fffff f=850 o4=fffffffffffffffe F=91;
        800:664922e7 i4=0 f=44 k=cc5 F=44;
        800:430318 i3=f2 i8=100cfa5 f=14 o3=d537c414 F=84;
        800:481500001000 i0=a7e31379 f=894 o0=a7f31379 F=0;
        800:0cea i0=fffffffffffffc00 f=895 o0=fffffffffffffcea k=cc5 F=80;
        800:6631f9 i1=714edd26 i7=fd7c84a3454a07d f=815 o1=714e7d5b k=cc5 F=0;
        800:402501000000 i0=796e4720 f=844 o0=0 k=cc5 F=44;
        800:15e97304d6 i0=704f3326 f=8c1 o0=4653a710 F=11;
        800:0d00000000 i0=ffff f=45 k=cc5 F=4;
        800:2816 i2=ffffffffffffff06 i6=1006df6 f=855 m6df6=fa F=95;
        800:3d00020000 i0=c5 f=c5 F=85;
        800:191b i3=1008af0 f=90 m8af0=177c0606 F=4;
        800:3ac3 i0=400 i3=ffffffffffffff10 f=885 F=85;
        800:4c038ac7b4ffff i2=100fb37 i9=0 f=c1 o9=f0f0a2dc3ef0ffff F=84;
        800:480ddec5ae18 i0=96 f=11 o0=18aec5de k=cc5 F=4;
        800:34ff i0=b4e16506b88edf54 f=1 o0=b4e16506b88edfab k=cc5 F=80;
        800:66357e61 i0=1000000000000000 f=811 o0=100000000000617e k=cc5 F=4;
        800:660903 i0=fffffffffffff i3=1000392 f=800 m392=ffff k=cc5 F=84;
        800:4e11799a i1=1007d2a if=ffffffffffffffff f=840 m7cc4=97 F=11;
        800:4d2177fc ie=0 if=100ad74 f=41 mad70=0000000000000000 k=cc5 F=44;
        800:67400c00 i0=ffffffffffffffff f=90 k=cc5 F=84;
        800:f0651007 i0=ffffffffffffffff i7=100073f f=55 F=95;
        800:672c3a i0=ffff000000000000 f=811 o0=ffff0000000000c6 F=95;
        800:831a2f i2=10063de f=880 m63de=d0 F=80;
        800:f06749815b5200000000 ib=98aa6f4b01004364 ic=ffffffffa118e325 id=517a28ef
        ie=3fffffffff if=fffffffffd6b7ad6 f=94 F=84;
        800:4981f80b8a347d i8=ffffffffffffffff f=840 F=80;
        ffc:83c584 i5=1 f=855 o5=ffffff85 F=80;
        800:80dbb5 i3=ffffffffffffffff f=84 o3=ffffffffffffff4a F=0;
        800:4980d242 ia=42205822 f=85 oa=42205865 F=4;
        800:6683580900 i0=100d497 f=5 md4a0=0e F=80;
        800:81e5ffffffff i5=8 f=804 k=cc5 F=0;
        800:8194b9766b0000fdffffff i1=ff99e6 i7=ffffffffffffff63 f=85 m2e8=78 F=15;
        800:66f04081060000 i6=100a592 f=d1 F=0;
        ffb:80c500 i1=90374426 f=814 F=4;
        800:4183e201 ia=8000 f=851 oa=0 k=cc5 F=44;
        800:654183dafc ia=5369e487 f=844 oa=5369e48b F=15;
        800:66488305e345e0ff24 f=8d0 m4dec=24 F=4;
        ffa:4880fa80 i2=ffffffffd7c179a0 f=801 F=0;
        800:6680cd04 i1=1000000000 f=804 o1=1000000400 k=cc5 F=0;
        800:40818758eeffff00000080 i7=1006ed0 i8=1 i9=c55d666081b2892 ia=1 ib=fffffffffffffc00
        ic=0 id=1 ie=20 if=ffffffffffffffff f=894 m5d2b=80 F=80;
        800:f080a66eb4ffffff i6=1009532 f=881 k=cc5 F=4;
        800:4980e800 i8=e11cfe80e35d5289 f=800 F=80;
        800:805acbff i2=1006027 f=804 m5ff2=7a F=11;
        800:49807b3500 ib=1005c61 f=c0 F=44;
        800:4883f700 f=4 k=cc5 F=0;
        800:80ecf8 i0=ffffffffffffff2b f=4 o0=ffffffffffff072b F=0;
        800:f042804ca75700 i7=100bc88 ic=1f2 f=801 k=cc5 F=80;
        800:4a8321ff i1=100e9c0 f=844 k=cc5 F=80;
        800:4081ed00000000 i5=fffffffffffffc00 f=54 o5=fffffc00 F=84;
        800:4080ddff i5=1 f=80 o5=2 F=11;
        800:4984dd id=1 f=10 k=cc5 F=44;
        800:85eb i3=ffffffffffffff4b i5=1ffffffffffff f=8d0 k=cc5 F=84;
        800:664d85e7 f=844 k=cc5 F=44;
        800:664485f3 i3=ffffffe000000000 f=d0 k=cc5 F=44;
        800:846d82 i5=100db06 f=8d0 k=cc5 F=44;
        800:438419 i3=78782d25 i9=1005dc0 f=8c5 k=cc5 F=0;
        800:848f98580000 i7=ffd032 f=55 k=cc5 F=44;
        800:6684e9 i1=fffffffc00000000 f=85 k=cc5 F=44;
        ffb:6684cd f=844 k=cc5 F=0;
        800:664887f1 i1=28ae88f0e383424d i6=7fffffff f=c4 o1=7fffffff o6=28ae88f0e383424d F=c4;
        800:4d86d0 i8=0 ia=2d62ae72 f=844 o8=72 oa=2d62ae00 F=844;
        800:86fb i3=2b85178eac995c16 f=0 o3=2b85178eac99165c F=0;
        800:4d86593f i9=100ffba ia=1 ib=b875ad5b ic=ffffffffffffffff id=ffffffffe4e2d2ab
        ie=ffffffffffffff3b if=2000000000000000 f=d4 ob=b875adff mfff9=5b F=d4;
        800:4587dd ib=ffffffffffffffff id=0 f=d0 ob=0 od=ffffffff F=d0;
        800:4487e7 i7=593f2c13f364a9f6 ic=0 f=845 o7=0 oc=f364a9f6 F=845;
        800:664a876aa6 i2=100262f i5=669ddaa694e6aedf f=0 o5=fffffffff8000000
        m25d5=dfaee694a6da9d66 F=0;
        800:87b2da240000 i2=100adde i6=ffffffffffffffff f=885 o6=fffffff9 md2b8=ff F=885;
        800:f0867357 i2=b2 i3=10066d2 f=d0 F=d0;
        800:89684d i0=100dea6 i5=800000000000000 f=814 mdef3=00 F=814;
        800:498bf7 i6=88 if=c7e73556 f=801 o6=c7e73556 F=801;
        800:408ac1 i0=48 i1=8 f=814 o0=8 F=814;
        800:66438a997bf3ffff i3=1fffffffffffff i9=100f4f4 f=845 o3=1fffffffffff00 F=845;
        800:4d8a876a1b0000 i8=47593dfa if=100c683 f=844 o8=47593d00 F=844;
        800:40898175c2ffff i0=0 i1=10043d5 f=880 F=880;
        800:668bf8 i0=8000000000000000 i7=200000000 f=881 F=881;
        800:8ae5 i0=ffffffffffffff94 i1=3 f=801 o0=ffffffffffff0094 F=801;
        800:418b8a4fe5ffff i1=ffffffff98e3d14f ia=1003881 ib=0 ic=ffffffffffffffc2 id=0 ie=87
        if=8000 f=851 o1=c129fb06 F=851;
        800:4189f5 i6=bb id=ec f=805 od=bb F=805;
        800:368a10 i0=1000f20 i2=200000000000000 f=895 F=895;
        800:664c8a0b i3=100586f i9=b8843a92b28b5053 f=810 o9=b8843a92b28b5000 F=810;
        800:408be1 i1=ffffff i4=20000 f=845 o4=ffffff F=845;
        800:488a1c358c5b0001 i3=ffffffffffff8000 i6=5c f=85 o3=ffffffffffff80a3 F=85;
        ffb:4d8bc7 i8=0 if=ffffff8000000000 f=8c5 o8=ffffff8000000000 F=8c5;
        800:668ac6 i0=ffffffffffffffff i2=2c f=54 o0=ffffffffffffff00 F=54;
        800:3e408bc1 i0=7f i1=118db5b5 f=890 o0=118db5b5 F=890;
        800:438913 i2=47 ib=100a6e2 f=895 ma6e2=47000000 F=895;
        800:668d4dac i1=ffffffffffffffb0 i5=1007d1e f=8d1 o1=ffffffffffff7cca F=8d1;
        ffd:674e8d4929 i1=8705540301007fd7 i9=24 f=815 o9=1008000 F=815;
        ffb:668db36ca0ffff i3=1013902 i6=1fffff f=85 o6=1fd96e F=85;
        800:668dbb5bfcffff i3=100c4cd i7=ffffffff96cc7399 f=14 o7=ffffffff96ccc128 F=14;
        800:8d2b i3=100ca06 i5=1ff f=d4 o5=100ca06 F=d4;
        800:458d10 i8=1004bff ia=800 f=14 oa=1004bff F=14;
        800:8d7ab1 i2=100b21f i7=923c6357 f=1 o7=100b1d0 F=1;
        800:668d85eef9ffff i0=1 i5=1005446 f=840 o0=4e34 F=840;
        800:448d13 i3=100e457 ia=ffffffffffff f=51 oa=100e457 F=51;
        800:635bf1 i3=1005e9d f=c1 o3=62980000 F=c1;
        fff:4463cb i3=ffffffffffffffff i9=c57ec98c2f67a723 f=8d0 o9=ffffffff F=8d0;
        800:4c6303 i3=100a3b5 i8=1fffffff f=814 o8=fffffffff1000000 F=814;
        800:4963c4 i0=1 ic=4000 f=5 o0=4000 F=5;
        ffa:4863f7 i6=f322e753 i7=fffffffffffffef6 f=45 o6=fffffffffffffef6 F=45;
        800:6663ee i5=0 i6=1d f=845 o5=1d F=845;
        800:633e i6=1002a38 i7=30074e513b4d630 f=8d4 o7=fffffff0 F=8d4;
        800:63ac2055780000 i0=ff8839 i5=631070f1 f=855 o5=36700000 F=855;
        800:664c63d3 i3=be ia=ffffffffffffff12 f=844 oa=be F=844;
        800:486b8dca7f0000ff i1=7f i5=1005513 f=845 o1=8d22942c4000001 k=c01 F=0;
        800:666bc6c5 i0=555ebece i6=3a402a96 f=850 o0=555e2f6e k=c01 F=801;
        800:69948d902b0000ffffffff i1=16f i2=1 i5=ffeb2c f=8c5 k=c01 F=0;
        800:4869489601000000 i0=100e567 i1=7a f=d5 o1=db47e384fbffffff k=c01 F=0;
        ffe:66654c6bff08 i7=fffffffff8000000 if=49573a0d f=8c0 of=ffffffffc0000000 k=c01 F=0;
        800:486b7b9aac i3=100b5bb i7=20000000000000 f=851 o7=2a0000000 k=c01 F=0;
        800:69f00718c45e i0=ffffffff93ecef9d i6=d3a5dd9ee7247afe f=855 o6=5c25454b k=c01 F=801;
        ffa:406bc5b2 i0=ffffffffffffff87 i5=b105e77316a1615a f=885 o0=1ad45694 k=c01 F=801;
        800:696d79ffffffff i5=10002a7 f=94 o5=8b4c0bbf k=c01 F=0;
        800:0faf5927 i1=100ccb8 i3=800 f=90 o3=1ddff800 k=c01 F=801;
        800:490faff2 i6=20000000 ia=8000000000000000 f=d1 o6=0 k=c01 F=801;
        800:0fafcc i1=100 i4=1 f=50 k=c01 F=0;
        800:0fafdd i3=28848aed i5=4cb17a74 f=55 o3=f020e564 k=c01 F=801;
        ffb:67430faf5ba7 i3=871950c97a1f8f33 ib=746595200100ee71 ic=0 id=ffffffffffffff8f
        ie=80000000 if=7fff f=845 o3=cc65ba69 k=c01 F=801;
        fff:410fafd0 i2=218a6ae1 i8=0 f=50 o2=0 k=c01 F=0;
        800:65664f0faf4504 i8=d969a4fc69c683a3 id=10071c1 ie=1f if=800000000 f=15
        o8=c18f3f99583f47a8 k=c01 F=801;
        800:0faf4c19ee i1=100b2e3 i3=1d f=14 o1=e5d10000 k=c01 F=801;
        800:0fafc1 i0=ffffffffbeca60b1 i1=1fff f=50 o0=8d4bbf4f k=c01 F=801;
        800:48a800 f=8c1 k=cc5 F=44;
        800:4095 i0=7fffffff i5=ffffffffff f=d5 o0=ffffffff o5=7fffffff F=d5;
        800:480fcd i5=7fffffff f=54 o5=ffffff7f00000000 F=54;
        800:2649b419 ic=8 f=c5 oc=19 F=c5;
        800:92 i0=20 i2=1 f=51 o0=1 o2=20 F=51;
        800:0fcd i5=cf33ed8f f=1 o5=8fed33cf F=1;
        800:48a8f8 f=810 k=cc5 F=44;
        800:98 i0=0 f=8d4 F=8d4;
        800:48b700 i7=ffffffffffffff88 f=895 o7=ffffffffffffff00 F=895;
        800:41d2d7 i1=1ffffffffc7 if=ddca67eb128a22ce f=5 of=ddca67eb128a2273 k=4d5 F=5;
        800:c04d8481 i5=1001c94 f=50 m1c18=7b F=850;
        800:6643d110 i8=10091d0 f=80 m91d0=7010 F=80;
        800:6643c045def9 id=100530a f=51 m52e8=49 k=4d5 F=51;
        800:6549d0d2 ia=41e90c3acd569723 f=41 oa=41e90c3acd569747 F=40;
        800:49d3f4 i1=6 ic=ffffffffff000000 f=95 oc=ffffffffc0000000 k=4c5 F=85;
        800:6648d0d5 i5=1 f=1 o5=3 F=0;
        ffe:49d1c9 i9=ffffffff00000000 f=815 o9=7fffffff80000000 F=814;
        ffe:c1ec6b i4=3ffffffffffff f=881 o4=1fffff k=4c5 F=5;
        800:66d334e6 i1=7c959509 i6=100672f f=885 m6730=00 k=4c5 F=44;
        ffb:c1e00c i0=ffffffffffff8000 f=40 o0=f8000000 k=4c5 F=85;
        800:40c0cbe1 i3=506009f7b1b9adc6 f=d4 o3=506009f7b1b9ad63 F=8d4;
        800:41d011 i9=10002f7 f=891 F=91;
        800:42d226 i1=8 i6=100d1e1 f=8d4 md1e1=00 k=4c4 F=44;
        800:d1d5 i5=20 f=841 o5=41 F=40;
        800:48d1a241bfffff i2=10110bf f=8d5 md000=dae98d65daadb944 k=cc5 F=801;
        800:4ad30d2a9ae0ff i1=200000000000002a f=11 ma231=0000ff95280e ma238=00 k=4d5 F=10;
        800:40d2e1 i1=fffffc000000001b f=854 o1=fffffc0000000000 k=4c4 F=44;
        800:6641d3ef if=4000000000000000 f=8d4 k=cc5 F=44;
        800:40d105ef07e0ff f=c4 mff8=e5 F=c5;
        800:6649d1cb ib=40e5488b f=c4 ob=800000002072a445 F=8c5;
        800:6640c1d1b0 i1=7fff f=8d5 o1=bfff k=4d5 F=d5;
        800:c1367a i6=1009972 f=85 m9972=0000005c k=4c5 F=4;
        800:d0f4 i0=ffffffff80000000 f=881 k=cc5 F=44;
        800:48d3ff i1=fffffffff74b4603 i7=80000000000000 f=894 o7=10000000000000 k=4c5 F=4;
        ffe:41c04ff0f6 if=1005e30 f=d5 m5e20=a5 k=4d5 F=d5;
        800:66d023 i3=100a484 f=8d5 ma484=92 k=cc5 F=880;
        800:c7c1ffffffff i1=4000000000000 f=d1 o1=ffffffff F=d1;
        800:49c7c0225079b2 i8=fffffffffff95942 f=804 o8=ffffffffb2795022 F=804;
        800:42c702ff000000 i2=10082a1 f=881 m82a1=ff000000 F=881;
        800:65c7c157ffffff i1=0 f=d5 o1=ffffff57 F=d5;
        800:49c7c100800000 i9=3f7ed7d6 f=881 o9=8000 F=881;
        800:c70100000080 i1=100f4f0 f=94 mf4f0=00000080 F=94;
        800:6648c6c4ff i4=13 f=d5 o4=ff F=d5;
        800:42c786898bffff6c095c35 i6=1007b62 f=11 m6eb=6c095c35 F=11;
        ffe:4ac6478601 i7=1005393 i8=0 i9=7fffffffffffffff ia=7ff ib=ffffffffffffff48
        ic=ffffffffffffff52 id=ffffffffffffff90 ie=7fffffffff if=ffffffffffffffc5 f=d1 m5319=01
        F=d1;
        800:f6c100 f=8d1 k=cc5 F=44;
        ffa:41f7ea i0=ffff i2=ffffffffffffffff ia=3ffffffffffff f=90 o0=ffff0001 o2=ffffffff
        k=c01 F=0;
        800:664bf75d77 id=100245a f=810 m24d1=190748000000000a F=11;
        800:f767c3 i0=80 i2=ffffffffffffffff i7=1002249 f=880 o0=0 o2=0 k=c01 F=0;
        800:f7f8 i0=5cf06491562adb72 i2=0 f=881 o0=1 k=400 F=0;
        800:f6e7 i0=ffffffffffffffff i3=bf8fccdba9c3ac31 f=8c1 o0=ffffffffffffab54 k=c01 F=801;
        800:674bf77f70 i0=ffffffffffffffff i2=ffffffffffffffff if=b77380e01004320 f=44 o0=0
        k=400 F=0;
        800:6549f778de i0=ffffffffffffff3c i2=ffffffffffffffff i8=100a53b f=8c4 o0=0
        o2=ffffffffffffff3c k=400 F=0;
        ffb:41f6d5 id=fffc000000000000 f=91 od=fffc0000000000ff F=91;
        """
}
