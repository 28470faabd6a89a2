// SPDX-License-Identifier: Apache-2.0

extension NativeTable {
    /// Six instructions a row.
    static let sequences = """
        800:4c8d0d0900000041ffe1b71eb162b2def7dd0fcb676649d3d24839f247f8 i1=5 i2=0 i3=1006731
        i5=100ed54 i6=10034bd i9=ffffffffffffffff ia=fffffffffffffff3 f=810 o3=31670001
        o5=feff12ac o9=1200810 oa=fffffffffffffe7f F=90;
        800:673ec6c2bc4463bd1a0200004881d1f2017ece42c787003b000000000000f04c870d7ad3e0ff
        +6640af i0=3ff i1=3 i2=0 i5=100d2c6 i6=10091d7 i7=10014f7 i9=80000000000000
        if=feca38930a2abea0 f=844 o1=ffffffffce7e01f5 o2=bc o7=10014f9 o9=8af9b87a022fc8fe
        of=2dd6bd3b m4ff8=000000 mdba0=0000000000008000 F=5;
        800:7020b430b535b388b236b7d3b259b50ab076b75cb57fb0b3b376b453b524b131b2f70fba3587
        +95e0ffff4839fa4d0fafbda52500004839e0654983a301ea000100 ib=ffffffffffffff7c ic=1005d29
        id=1003640 ie=0 if=e08c8910d6d563bc f=885 of=e228234e37cc14c8 m9db4=7f
        mecbd=0000000000000000 k=cc5 F=44;
        800:41691bd8feffff4839fd418ac5674184e64839fc98 i0=ffffffffffff8000 i3=1005c21
        i4=100757d ib=1001370 ic=10071ca id=1003bf8 ie=f000000000000000 if=0 f=850 o0=ffff80f8
        o3=e7a6f6b8 F=81;
        800:480fb3d84839e466670f96e2410fb3da4839de674d0fb3f4 i2=1b i3=100ea4f
        ia=1ffffffffffffff f=8d0 o2=1 oa=ffff7fff k=441 F=0;
        800:f7946f9be5ffff0facc5164839dd69f9010000004839ec4922c4 i0=486bd411 i1=7 i5=122
        i7=1007e0d ic=1006026 f=8d0 o0=486bd400 o5=af504400 o7=7 m65ec=ffffffff k=cc5 F=44;
        800:eb0ab1fdb670b23eb360b70742d0a2afcd00014839c840a56740ae2c00 i0=d114ce5c499d4460
        i2=ffffffffffffffae i3=1008a53 i4=1007801 i5=1003f8d i6=100c2a6 i7=1005cfc f=805
        o6=100c2aa o7=1005d01 m5cfc=9d1dbb00 mcd5d=fe F=4;
        800:4d0fa5c44839d04883daff49d3db4839f64d32d9 i0=ffffffffffffffff i1=6a
        i2=ffffffffffffff9b i8=1006919 i9=3fffffffff ib=0 ic=1003fa9 f=801 o2=ffffffffffffff9c
        ob=4000ff oc=fea40000000004 k=cc5 F=84;
        800:66418bc54d0fafe74839d24085f24839d8650fb025a547e0ff i0=ffffffffffff8000 ic=10059b9
        id=100855c if=8000000000000000 f=855 o0=ffffffffffff85ff oc=8000000000000000 F=11;
        800:c7c401000000f56665400f41e94988dc670c614839d8 i0=400 i1=0 i3=1005327 i4=1001adb
        i5=10020b0 ic=1007c58 f=4 o0=461 o4=1 o5=1000000 oc=1007c27 F=95;
        800:6549d355144839eb0faffe4839ea660dffff4839f9 i0=3fff i1=3a900509 i6=100defe
        i7=10079ff id=100f9ae ie=9bbb4369 if=5b6069cf f=1 o0=ffff o7=67442d02
        mfd02=00fb13b214d33471 F=81;
        800:88d56640f73da6b4e0ff4839c57308b6f0b28db268b021410f42cb66458afe i0=fffffffffffffef9
        i1=0 i2=a8 i5=100e0a5 ib=1 ie=80000000 if=80000 f=91 o0=ffffffffffff0121 o1=1 o2=f068
        F=15;
        800:0fafd34839ee6649f71d7ad7e0ff664818f50fb0d349f8 i0=a2935b57 i2=71be7dd8 i3=1004b77
        i5=100cb9e i6=100abc1 f=840 o0=a2935b77 o2=866ac768 o5=100cbdc mdf88=34ffffffffffffff
        F=80;
        800:664969e1000000004839cc6667f7c1ffff4839c345109ab87000014c0faff5 i3=10046c0
        i4=1002d17 i5=100272e ia=0 ib=fffffffffffffef9 ic=100b826 id=1009f37
        ie=b91c721672db739b if=7fffffffffffffff f=815 o4=0 oe=aef0c6fbad0b62da m70b8=f6 k=c01
        F=801;
        800:48a8014839f94883c600654b84b7776100014839ce81f591674d7f i5=1006e6f
        if=ffffffffffffffe4 f=95 o5=7e4d09fe k=cc5 F=0;
        ffb:40f58635f15fe0ff6687ff4180c9ff4839d540f5 i2=7fffffffffffffff i9=ffffffffc4705c32
        f=41 o9=ffffffffc4705cff F=90;
        ffa:66656be1804839d80fc0e16748f865f7e74839ec i0=ccaca2b i1=7 i2=0 i4=100c114 i5=100238d
        i7=1009cb9 f=850 o0=855d6213 o1=d1 o2=cd1db o4=100fc80 F=14;
        800:450fbcea4839df481c01654c0faff24839c9b201 i0=2000000000 i2=2e i7=1006eb4 id=1004806
        ie=7fffffffffff f=811 o0=20000000fe o2=1 od=0 oe=16ffffffffffd2 F=44;
        800:664a6348616740f7c599f66be34839f84c89f2f84c8d250500000041ffe4b2d5 i0=100fe3a i1=1
        i2=f i7=100c128 ic=100cbd9 ie=fffffffff4a5d2a5 f=884 o1=ffffffffffffffff
        o2=fffffffff4a5d2a5 oc=1200820 F=4;
        800:a8ff4839ca6640a2a5ce000100000000f7d2659f2c80 i0=ffffffffffffffff i2=1 f=50
        o0=ffffffffffff977f o2=fffffffe mcea5=ff F=0;
        800:f048f6985896ffff6748d3d24839df41c1e80f4839e7f04610985916ffff i0=100f9a0 i2=19cb4c90
        i7=10035f3 i8=1002ce9 ib=1 f=10 o2=672d3242 o8=200 mff9=01 m8ff8=f9 F=11;
        800:6511fef067410fc195f6e6ffff409fd0f34839ed43d38f60f4bded i0=ffffffc000000000 i1=4
        i2=42 i3=100133d i6=1007fe8 i7=1009de7 id=100ba86 ie=fffffffff915fed2 if=1342bfb8 f=d0
        o0=ffffffc000001700 o2=ffffffff o3=100137a o6=2011dcf ma17c=41000000 mb418=ff mb41b=4f
        k=4d5 F=44;
        800:0fafe84839d26685e54839c540d3c44839ec i0=0 i1=b i4=1002942 i5=100e0ec f=81
        o4=14a1008 o5=0 F=0;
        800:490f9bd94980db006bedfc4839e14d0f47fe6681f0d400 i0=262250650aeb2966 i1=9 i5=1005015
        i9=8e0db61af247a12a ib=a0ab5ade f=891 o0=262250650aeb29b2 o5=fbfebfac
        o9=8e0db61af247a101 ob=a0ab5add k=cc5 F=4;
        800:440fafa2b494ffff4839d8676514584563e5410fbae67a4839e9 i0=a3f0bd78 i1=2 i2=1009efc
        i3=100b3a6 i5=1005021 ic=100e34d id=10089c5 f=810 o0=a3f0bdd0 oc=10089c5 F=85;
        800:f00fc70dd0cee0ff40053f2fd53366c1eba14839ec480502cf9b2749bf0000040000000000
        i0=36fd7ac4fffffff0 i1=2 i2=435b9ea5ffffffff i3=10057e6 if=3fffffffffffffff f=884
        o0=5b70fe31 o3=1002bf3 of=40000 md6d8=e657000102000000 F=10;
        800:654885e44839e7409f41d3bbf147fc004839ea662e80e52f i0=ffffffffffffffff i1=9
        i4=1004f70 ib=3ffff ic=100bbe0 id=100a192 ie=1 if=2000000000000000 f=d0
        o0=ffffffffffff02ff m47f0=ab8f1400 k=cc5 F=44;
        800:410faf96b0adffff4839eb664d32c84839ef4a0f4f0d2a7ee0ff67e00cb3efb071b270b3feb1
        +a8b6f3 i1=2 i2=ffffffffffffc000 i7=100272d i8=100add5 i9=1fffffffffffff ie=1012431
        if=fffc000000000000 f=84 o1=1 o2=ab660000 o9=1fffffffffff2a F=85;
        800:6640fff3664c85d24839e94c0fb1ef6667418bcb40f7c4ea000000 i0=10000000000 i1=6
        i3=100ee9f i4=100fc16 i7=100e17e ib=0 f=801 o0=100e17e o1=0 o4=100fc14 mfc14=9fee k=cc5
        F=44;
        800:67480dffff00004839eff0430fb0b683cc000140a98d2154994839de6689d6 i0=3ffffffff i2=1
        i3=1009e70 i6=100c73f ie=1 if=ffffffffdea0368f f=10 o0=3ffffffc5 o6=1000001 F=4;
        800:458d3f0fa3c64839e7f6d632d04839f0 i0=400000000 i2=7fff i6=100ee17 if=10089fd f=841
        o2=80ff F=10;
        800:66311b4839cc65410fbafe004839c8674a080de027e0ff4839c7 i0=ffffffffffffff82 i3=100e8b0
        i7=1005327 ie=ffffffff864413f8 f=854 oe=864413f9 me8b0=229b F=5;
        800:67ffcc0fa4f8014839f549c1d5ae4839dc47852cdd07360001 i0=fffffffffffffffe i4=1008a97
        i5=1001826 ib=ffffffffffffffb2 ic=1005ae5 id=100c495 ie=0 if=1fffffff f=814 o0=fffffffc
        o4=1008a96 od=3125600000000020 k=cc5 F=0;
        800:674d0faf621f4839e10c014839db6667490f42e048ffc5 i5=1008bc3 ia=c124bd6d0100a3aa
        ib=ffffffffffffff91 ic=1002940 id=100598a ie=ffffffffffffffec if=7e f=8c0 o5=1008bc4
        oc=8000000000000000 F=0;
        fff:410f4ec9488d150a000000ffe2b48cb211b7c4b5950d7bffffff4839dc440ade4839f0 i0=d42b22f7
        i1=6 i2=5cba3a1c i6=1001cd7 i9=ffffffffffffffff ib=6844ace5 f=d0 o0=ffffffff
        o1=ffffffff o2=1201014 ob=6844acf7 F=4;
        800:4bf774b9c54839cb66f2aec0bda67dffff694839cf48aa i0=10 i1=2 i2=0 i5=100b886
        i6=1005916 i7=100c1b6 i8=100a1bd i9=100d977 if=16b f=811 o0=0 o1=1 o2=10 o7=100c1b8 F=0;
        800:4d0fafcb4839fac10d3a3ee0ff704839f649fec0264383b48a4c3c000101 i8=1005294 i9=108b7080
        ia=fffffffffffffef1 ib=0 ic=1002cb2 id=1002085 ie=ffffffffffffffb1 if=49d52440d316d63c
        f=90 o8=1005295 o9=0 m3b3d=fe m4648=00 m464a=f5 k=cc5 F=0;
        800:f3af4b8125e601e0ff000000004839ea81950cfcffff00000000a46648f8 i0=0 i1=31 i5=10053f1
        i6=1007e34 i7=1007e34 f=8c0 o1=2f o6=1007e35 o7=1007e3d m9f3=0000000000000000 m7e3c=00
        F=84;
        800:c0fae14839f749d305cb46e0ff4839c48d8d7ba4ffff450f4696e4bc0001 i0=0 i1=5 i2=1
        i4=100a44a i5=100eb7e ia=ef0bb8ee696d21f6 ie=fffffffffffffff4 if=ffffffffffffff3c f=811
        o1=1008ff9 o2=0 oa=696d21f6 m4ed8=7f F=0;
        800:450fafce4839df80c1ff2e4080db7d488d0d0c000000ffe1b06bb22db65fb6eeb09148c7c4ff
        +ffffff i1=2 i3=10012c0 i4=1001040 i9=3ff ie=ffffffffffffffed f=4 o1=1200822 o3=1001242
        o4=ffffffffffffffff o9=ffffb413 F=814;
        800:86ef410fbaad2b0e0000004839c748d10de607e0ff43f84b8dbecd150001 i0=e14201de i1=9
        i3=100669c i7=1001761 id=100ee43 ie=0 if=1 f=41 o1=6609 o3=100009c o7=10015cd
        mfff=7f7fac85 mfc6e=01 F=890;
        800:36402c7f264880d20065664d0fb3cb4839c76649239a2f2a00014839da i0=86 i2=a82f5f1a
        i3=1006b38 ia=ffffffffffffff4c ib=1 ic=1001707 id=10098dc ie=28 if=1 f=895 o0=7 F=4;
        800:664083d7b57e26b774b4e0b789b167b5eeb068b315b1acb5bfb247b0d6b106b420b0b1b7d4b7
        +0db691b7dcb3b8660fb1cdf066674b818d9091000000ffffff4839f34b0fafb375500001
        i0=fffffffffffffed7 i5=100aab3 i6=10012ec i7=100c3c2 ib=ffffffffffffffff ic=10077a1
        id=1005f6e ie=b8 if=0 f=885 o0=ffffffffffffaab3 o6=f7ff68a000000000 o7=100c378
        mf100=ffffffffffff k=c01 F=0;
        800:49d2f64839f648a34a5b000100000000664b0f90a520f4ffff66480fa5fc4839eb i0=42ff5dc1
        i1=ffffffffffffff39 i3=100706f i4=100bb41 i7=1007f15 id=1009455 ie=8000000000000000
        if=809d472d f=c4 o4=82000000000200fe m5b4a=c15dff42 m5b50=0000 m8875=00 F=85;
        800:4c0f41ca66480fca450fbfc1674b0fbaa635c500017a4839d666d2fc i0=91 i2=ffffffffffffffe1
        i8=100ce5d i9=ffffffff ie=1 if=400 f=891 o2=e1ffffffffffffff o8=ffffffff k=4c5 F=44;
        800:a485f74839db66410fbcc24839cbd283fbb3ffff i0=555c3c26 i1=3a i3=1005b9d i4=100534f
        i5=1004c7c i6=1002d6f i7=10019fb ia=ffffffffffffff80 f=80 o0=555c0007 o6=1002d70
        o7=10019fc mf98=e7 m19fb=00 k=4d5 F=5;
        800:d157c5660fbdcd4839c34080cc004839e640d18b9cf8ffff i1=4 i3=100d181 i4=100d506
        i5=1005d5e i6=100295b i7=100b038 f=c0 o1=e maffd=fe mb000=e1 mca1f=7f90 F=885;
        800:664d0fbbf84839ed0fb6dc48996640d0ea4839fe i0=1 i2=ffff800000000000 i3=1003973
        i6=1005821 i7=100b19a i8=10079e5 if=800000 f=45 o2=0 o3=0 o8=10079e4 F=95;
        800:e918000000b5ebb523b1d0b78cb224b39eb6c2b72cb4f5b67fb079b1b6660f96c46688df490f
        +91c0f049808aeb1e34c3004839c0 i0=1ffff i3=1004a3c i8=100baab ia=3dcbe80d
        ib=d4ae4289e49f904 ic=1004e1e id=100a784 ie=c000000000000000 if=fffffffffff00000 f=804
        o0=100ff o3=1003c3c o8=100ba00 F=44;
        800:40d06cbcd94839c6f84f889cf56c35000048d74c8d2d0700000041ffe5b408b416
        i0=fffffc0000000000 i3=1001b18 i4=100e07e i6=10022ed i7=fffffffffffffe7e ib=7fffffffff
        id=100adcf ie=ffffffffffffff97 if=ffffffffffffffff f=50 o0=fffffc00000000f2 od=1200821
        mdff3=ff F=4;
        800:7c0eb68ab40ab36eb6abb3d8b360b5cd66450f4ed20fa5e24839c34181eb2054525f81d98200 +0000
        i1=1 i2=1 ib=ffff f=805 o1=ffffff7e o2=2 ob=a0aeabdf F=95;
        800:41c171a0094839ed4030f64839e9e824000000b6f8b149b6eab015b4f7b05eb73fb2bdb2deb1
        +78b202b363b4b1b7ffb2f0b0e6b038b3c56640ad i0=13bd61f2b91e49ac i1=7 i4=1007573
        i5=1005ed6 i6=100e487 i7=100d3b3 i8=100137f i9=1006062 f=84 o0=13bd61f2b91e702b
        o4=100756b o6=100e402 m6002=00c8c8ef m756b=13082001 m7570=000000 F=81;
        ffd:67443bcb4d30ee4839eb4163e4450f4ef0468d87be87ffff i3=100e884 i4=1003e76 i5=100e593
        i7=100c8a7 i8=10044cc ic=1005bbc id=100b004 ie=ffffffffffff8000 f=810 o4=1005bbc
        o8=1005065 oe=ffff8004 F=0;
        800:480f4a688b650fbaed014839ff65418d84772d91fefe48f7e34839f3 i0=100b305 i2=1 i3=1002b22
        i5=100ea92 i6=100c282 if=fffffffffffffed7 f=881 o0=100402d8b2310 o2=0 F=85;
        800:0fbafd064839d2f580d2a0664980d8ff360fbcc6 i0=97d79a2895bfd0ea i2=0 i5=100e7b0
        i6=100c4e2 i8=100eba0 f=c1 o0=1 o2=a1 o5=100e7f0 o8=100eba1 k=440 F=0;
        800:40a330550001000000000f46d9368db5aaadffff4380beca3f0001b281250a1de0ff01000000
        +4839db i0=ffffffff8d896de6 i1=4 i3=1008291 i5=1007f85 i6=1002346 ie=0 if=6185bd40
        f=8d0 o3=4 o6=1002d2f m2530=01000000 m5530=e66d898d F=44;
        800:490fbaed004839f666480fa4c3124839ef4981e9ff0000004d30995e1b0001 i0=e41729ca4944ce1b
        i3=100936f i9=0 ia=73 ib=83b13cf1 ic=10039a8 id=100944c ie=ffffffffffffff80 if=0 f=d4
        o3=4024dbf905c o9=ffffffffffffff01 od=100944d m1a5f=0e k=cc5 F=0;
        800:480fbabdcaf5ffffff4839ee670fc70df9cfe0ff489f66410fafe94839df i0=40000
        i2=d6cd3f89fcd8406e i3=10093ba i5=100c291 i6=100977b i7=1001c1b i9=24e412 f=d0
        o0=f5008300 o2=ffcfeeac o5=100d232 mb862=aa F=81;
        800:400faf7fda4839de63bb774d00000fb005e987e0ff811d830ee0ffbee274a88daffe4b0001
        i0=ffffffffffffff83 i3=10043f5 i4=1001c44 i5=100b192 i6=1003c5c i7=100de07 f=810
        o0=ffffffffffffff07 o5=1004bfe o7=0 m16a2=84a72698 F=895;
        800:664985a0dab7ffff4839e30f4badf00700000fc789e1c200016683c0dac1ed07
        i0=fffffffffffffeef i1=7 i2=ffffffffffffff5b i3=10062ec i4=1001fdd i5=1008733
        i6=100dffe i7=1003d2c i8=100f8ee f=d5 o0=87 o2=0 o5=2010e k=4c5 F=0;
        """
}
