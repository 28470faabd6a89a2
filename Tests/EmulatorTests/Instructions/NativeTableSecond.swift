// SPDX-License-Identifier: Apache-2.0

extension NativeTable {
    /// Group 3, bits, exchanges, strings, stack and branches, one instruction a row.
    static let second = """
        800:67f60fff i7=9847c600100bffe i8=ffffffffefdf8aa8 i9=ffffffffffffff89
        ia=8000000000000000 ib=1 ic=1 id=7fffffff ie=1 if=0 f=91 k=cc5 F=84;
        800:f7bec8640000 i0=3a00a9b0 i2=0 i6=ffd3d0 f=55 o0=f4664477 o2=3 k=400 F=0;
        800:f6bf714a0000 i7=1007f58 f=5 x=0 F=5;
        800:49f7e2 i0=8f i2=ff80000000000000 ia=2417255e f=d5 o0=1428eddf82 o2=0 k=c01 F=0;
        800:6643f77a08 i0=0 i2=fffffffffff ia=100862f f=55 o0=ffdc o2=ffffffffcfc k=400 F=0;
        800:f77cb5f5 i0=1 i2=0 i5=10044c1 i6=108 f=801 o0=0 o2=1 k=400 F=0;
        800:f7c0ffffffff i0=7fffffff f=8d1 k=cc5 F=4;
        ffb:49f6cb01 f=881 k=cc5 F=44;
        800:66f66e5a i0=ffffffffffffffff i6=100505a f=814 o0=ffffffffffff0000 k=c01 F=0;
        800:ffc6 i6=d69154a1 f=894 o6=d69154a2 F=80;
        800:ffc2 i2=394f989159bf8202 f=91 o2=59bf8203 F=5;
        800:6641fec2 ia=e0 f=805 oa=e1 F=85;
        800:ff0e i6=fffffe f=815 x=e c=fffffe e=6 F=815;
        800:41fecc ic=100000000 f=894 oc=1000000ff F=94;
        800:42ff00 i0=1004198 f=800 m4198=fc F=84;
        800:6566fec0 i0=16 f=840 o0=17 F=4;
        800:66ff422d i2=100844d f=895 m847a=08 F=1;
        800:6649fe895b100000 i9=10002ee f=880 m1349=ff F=94;
        800:490f43d1 f=d5 F=d5;
        800:410f438146030000 i0=0 i9=10071cf f=804 o0=f3ffffff F=804;
        800:470f4f2b ib=100b980 id=0 f=14 od=294b5bc7 F=14;
        800:410f4ecb i1=a4 f=880 F=880;
        800:0f49ce i1=ffffffffa17fdb3a i6=28576a7b54926a14 f=850 o1=54926a14 F=850;
        800:4c0f45f3 i3=847958de ie=ffffffffffffffbf f=15 oe=847958de F=15;
        800:6667410f41781b i7=ffffffffffffffff i8=845b6f2001000335 i9=80 ia=0 ib=2c27261c
        ic=fffffffffffe0000 id=ffffffffe45b3856 ie=4 if=1f f=d1 o7=ffffffffffff067c F=d1;
        ffe:664c0f49f5 i5=1 ie=1f f=50 oe=1 F=50;
        ffb:480f41eb f=810 F=810;
        800:67480f46cd i1=fffffffffffffffc i5=ffffffffb3ebf40e f=850 o1=ffffffffb3ebf40e F=850;
        800:660f4238 i0=1007d08 i7=7fff f=91 o7=c1 F=91;
        ffe:66480f40cd f=1 F=1;
        800:66480f44da f=814 F=814;
        800:660f4ca5da93ffff i4=0 i5=100fdbf f=94 o4=ffff F=94;
        800:0f45836efaffff i0=aa0dcf3c i3=1003e36 f=8d1 F=8d1;
        800:660f4f1e i6=100f8d0 f=85 F=85;
        800:67480f47e0 f=811 F=811;
        800:0f4326 i4=9f75398e1688f6fc i6=100f5c0 f=815 o4=1688f6fc F=815;
        800:0f9f6e5b i6=100534d f=895 m53a8=01 F=895;
        800:660f9ebcf559b7ffff i5=100d80f i6=1c5 f=14 m9d90=00 F=14;
        800:67480f90ef i7=8000000000000000 f=c4 F=c4;
        ffd:66430f981ce0 i8=1009bf8 i9=100 ia=ffe0000000000000 ib=7ffffffffffff
        ic=fffffffffffffed6 id=8000000000000000 ie=709b104 if=ffffffffa78dbfd5 f=8c5 m92a8=01
        F=8c5;
        800:480f92c1 i1=ffffffffffffffff f=855 o1=ffffffffffffff01 F=855;
        800:0f99fb i3=400000000000 f=c1 F=c1;
        800:0f99fe i2=0 f=845 o2=100 F=845;
        800:410f97a8f67b0000 i8=1003832 i9=8000 ia=7ffffff ib=ef604909814cfe25 ic=40
        id=fffffffffffff800 ie=ffffffffffffffff if=ffffffffffffff80 f=15 mb428=00 F=15;
        800:65430f910b ib=1009405 f=51 m9745=01 F=51;
        800:0fba2b01 i3=1008e10 f=5 k=441 F=1;
        ffd:490fbaffa4 if=100000000000000 f=8d0 of=100001000000000 k=441 F=40;
        800:410fbaec00 ic=8000000000000000 f=94 oc=1 k=441 F=0;
        800:440fbb02 i2=100a062 i8=8d02753afffff8da i9=ee97f380 ia=c6b9e86e874dcb7f ib=310a01e5
        ic=1fffffffffffffff id=fce6db70dadc3d5f ie=0 if=ffffffff f=8d0 m9f7d=fb k=441 F=41;
        800:480fbae600 i6=0 f=55 k=441 F=40;
        800:440fabe1 i1=ffff f=d4 k=441 F=41;
        800:66f00fbab77587ffff40 i7=1009886 f=15 m1ffb=fe k=441 F=1;
        800:66400fabd2 i2=ffffffffffffff76 f=854 k=441 F=41;
        ffa:490fbae800 i8=ffffffffffffff62 f=8c1 o8=ffffffffffffff63 k=441 F=40;
        800:66410fbafd0e id=ffffffffffffffff f=850 od=ffffffffffffbfff k=441 F=41;
        800:470fab30 i8=100c0a6 ie=30e01f9a00000e70 if=5cb3b343 f=10 k=441 F=1;
        800:f0650fba341a00 i2=100648a i3=ffffffffffffff54 f=c1 m671e=fe k=441 F=41;
        800:66f0410fab9eead0ffff i3=5cb ie=10042b8 f=51 k=441 F=41;
        800:480fbbe8 i0=ffffffffc0000000 i5=0 f=95 o0=ffffffffc0000001 k=441 F=0;
        800:66f04d0fb358b9 i8=100fe27 ib=b03 f=891 mff40=85 k=441 F=1;
        ffa:410fbafa80 ia=1 f=8d4 oa=0 k=441 F=41;
        800:410fa3e3 ib=7fffffffffffffff f=44 k=441 F=41;
        800:f8 f=800 F=800;
        800:410fa4a923a9ffff00 i9=100bd73 f=8d4 F=8d4;
        800:0fac131f i2=1 i3=10067e9 f=54 m67e9=02 k=4c5 F=0;
        800:664f0fac9da08affff1f ib=a673add2cc3b24c0 id=100fbdd f=11 m867d=0e0e0e0e80497698
        k=4c5 F=80;
        800:660fac3a0a i2=1002c50 i7=a7d0fb68 f=d5 m2c50=1cda k=4c5 F=80;
        800:480fa5c6 i0=ffff800000000000 i1=ffffffffffffff68 i6=fffffffffffffee6 f=c4
        o6=fffee6ffff800000 k=4c5 F=85;
        800:430fa502 i1=437168cbdf272961 ia=1003f40 f=8d0 m3f40=3cc9fe04 k=cc5 F=805;
        ffc:400fac1583efe0ff01 i2=0 f=810 mff88=54 k=cc5 F=1;
        800:410fac90bba6ffff01 i2=ffff000000000000 i8=100c489 f=8d0 m6b44=69efdb0b k=cc5 F=4;
        800:67664d0facdd20 ib=0 id=ffffffffffffffff f=8d5 od=ffffffff k=4c5 F=5;
        800:0fb0979c720000 i0=3fffffffffffffff i7=1000a9c f=8d5 o0=3ffffffffffffff8 F=0;
        800:f0430fc15d9e i3=e01f3a23 id=1002057 f=844 o3=fcffffff m1ff5=223a1fdd F=95;
        ffb:4b0fb017 i0=fffffc0000000000 i2=100000000000000 if=100370e f=c5 F=44;
        800:0fc1f7 i6=ffffff0000000000 i7=3fffffff f=815 o6=3fffffff F=4;
        800:450fb0c2 i0=fffffffffffffef2 i8=1 ia=fffffffffffffef2 f=d5 oa=fffffffffffffe01 F=44;
        800:260fb1c6 i0=ffffffffffffff8f i6=1 f=c1 o0=1 F=84;
        800:4d0fc1d7 ia=0 if=e5 f=8c5 oa=e5 F=0;
        ffe:400fc1d2 i2=fffffffffffffff3 f=40 o2=ffffffe6 F=81;
        800:490fb0f1 i0=ffffffffffffffff i6=100000000 i9=7ffff f=40 o9=7ff00 F=44;
        800:4b0fc116 i2=ffffffffffffffff ie=10064b4 f=8c5 o2=fffffff100000000 m64b4=fffffffff0
        F=85;
        800:0fc04e13 i1=ffffffffffffffff i6=10077a5 f=801 o1=fffffffffffffff4 m77b8=f3 F=95;
        fff:0fc1f0 i0=54 i6=f000000000000000 f=841 o6=54 F=0;
        800:450fb1f6 i0=ffffffffff000000 ie=0 f=801 o0=0 F=84;
        800:67400fc1d7 i2=ffffffffffffffff i7=f500db33 f=8d1 o2=f500db33 o7=f500db32 F=91;
        800:0fc031 i1=10035a6 i2=ffffffffffffffff f=884 o2=ffffffffffffdbff m35a6=da F=91;
        800:0fc1d3 i2=94731d1abb2da743 i3=0 f=15 o2=0 o3=bb2da743 F=80;
        ffa:410fc0eb i5=0 ib=ffffffffb4dd1fee f=8d1 o5=ee F=84;
        ffe:65490fb1f5 i0=0 id=ab5e7fc5 f=c4 o0=ab5e7fc5 F=91;
        800:0fbf1a i2=100e078 i3=ffffffffffffff80 f=5 o3=fffffffa F=5;
        800:4c0fbeee i6=1 id=8000 f=1 od=1 F=1;
        800:440fbee4 i4=1 ic=f f=840 oc=1 F=840;
        800:674f0fb65575 ia=fb92aab2 id=607027df010069aa ie=ffffffffbd4a1927
        if=ffffffffde90ca13 f=814 oa=ff F=814;
        800:66490fbf769f i6=ca1233c9 ie=100fc5e f=854 o6=ffffffffffffffff F=854;
        800:400fb75b7e i3=10083f9 f=d0 o3=707 F=d0;
        800:0fb740b2 i0=100a696 f=851 o0=8f F=851;
        800:0fb7f1 i1=ffffffffffffffff i6=0 f=880 o6=ffff F=880;
        ffa:490fbedc i3=523d951b ic=ffffffffac6ea7ad f=81 o3=ffffffffffffffad F=81;
        ffa:4c0fbd27 i7=100857d i8=ffffffffffffffeb i9=43 ia=40000000 ib=0 ic=70230b97970c388c
        id=0 ie=9c if=0 f=85 oc=3a k=440 F=0;
        fff:360fbcdb i3=0 f=815 k=440 F=40;
        800:4d0fbcdf ib=ffffffff9352c10a if=800000000 f=8c5 ob=23 k=440 F=0;
        800:f3400fb87ed6 i6=10036ca i7=ff f=8c0 o7=13 F=0;
        800:0fbdb619250000 i6=10033b7 f=854 o6=1e k=440 F=0;
        800:490fbce3 ib=0 f=841 k=440 F=40;
        800:f30fb810 i0=100f3f9 i2=47 f=55 o2=20 F=0;
        800:0fbce6 i4=0 f=81 k=440 F=0;
        800:490fbdd2 i2=1 ia=100000000 f=c0 o2=20 k=440 F=0;
        800:f0490fc74b04 f=890 x=d F=890;
        800:f00fc78d3c310000 i0=1295de213670f307 i1=20000000000 i2=8f0e93ee8f0af3da i3=0
        i5=1005ec3 f=841 m8fff=0000000000000000 F=841;
        ffc:4a0fc70e f=8c4 x=d F=8c4;
        800:f0410fc74ddd i0=f2d9b4940da15534 i2=d6 id=100143d ie=1ffffff if=48 f=805
        o0=ffffffff o2=1270ffff F=805;
        ffa:f0410fc74e7a i0=b6b69645fffff500 i1=ee542e51238a6ae i2=9a985e47ffffffff
        i3=8000000000 ie=1004cdd if=d075199f7a2db358 f=0 m4d58=000000aea63812 F=40;
        800:f0480fc78cf30f7cf081 f=14 x=d F=14;
        800:65f0400fc74e98 i0=b20476353d43c100 i1=ffffffffffffc000 i2=dcc56802ffffffd2
        i3=ffffffffffffff37 i6=1006c57 f=811 m6f2f=37ffffff00c0 F=851;
        800:4b0fc78c6f96b9ffff f=14 x=d F=14;
        800:660fc74d18 i0=1 i2=1 i5=10035c0 f=845 o0=fffffff2 o2=ffffffff F=805;
        800:40ab i0=10000000000 i7=1004a98 f=c85 o7=1004a94 m4a98=00000000 F=c85;
        800:6648ad i0=7fffffffffffffff i6=1007a98 f=815 o0=fffffffffffffff7 o6=1007aa0 F=815;
        800:663ef348a6 i1=939 i6=1005534 i7=100551c f=400 o1=937 o6=1005532 o7=100551a F=495;
        800:f3ac i0=100 i1=36c i6=1008462 f=c4 o0=107 o1=0 o6=10087ce F=c4;
        800:48ab i0=ffffffffffffff6a i7=1008623 f=c14 o7=100861b m8623=6affffffffffffff F=c14;
        800:40ab i0=b5bd1e438628c237 i7=1000405 f=4d5 o7=1000401 m405=37c22886 F=4d5;
        800:40a4 i6=10074cf i7=10074df f=815 o6=10074d0 o7=10074e0 m74df=00 F=815;
        800:65a7 i6=1004843 i7=1004b83 f=4d0 o6=100483f o7=1004b7f F=444;
        800:6648ab i0=7f i7=1002b57 f=451 o7=1002b4f m2b57=7f00000000000000 F=451;
        800:6648ab i0=ffffffffa1ec9515 i7=1007691 f=8c0 o7=1007699 m7691=1595eca1 m7698=ff
        F=8c0;
        800:6648ae i0=6915000000000000 i7=1007f8a f=d5 o7=1007f8b F=44;
        800:f3a7 i1=cc0 i6=1001e25 i7=1001e25 f=480 o1=536 o6=fffffd o7=fffffd x=e c=fffffd e=4
        F=444;
        800:f248a7 i1=4 i6=1003246 i7=1003246 f=80 o1=3 o6=100324e o7=100324e F=44;
        800:6648a5 i6=1008cf7 i7=100ad62 f=800 o6=1008cff o7=100ad6a mad62=0707070707070707
        F=800;
        800:48ab i0=ffffffffffffffff i7=100beab f=400 o7=100bea3 mbeab=ffffffffffffffff F=400;
        800:f340ad i0=100000 i1=13 i6=10016f8 f=80 o0=21415e11 o1=0 o6=1001744 F=80;
        800:48a7 i6=100d56c i7=100d56c f=c91 o6=100d564 o7=100d564 F=444;
        800:af i0=ffa5073daa000000 i7=10002ed f=c55 o7=10002e9 F=444;
        800:48ad i0=2737cb1b5de9ce74 i6=100178d f=c01 o0=1605f182000000 o6=1001785 F=c01;
        800:66ac i0=3fff i6=1001696 f=404 o0=3f00 o6=1001695 F=404;
        800:40af i0=effffffffffffff i7=1007fb5 f=801 o7=1007fb9 F=4;
        800:40af i0=1593b530000000 i7=100e1cd f=401 o7=100e1c9 F=444;
        800:f065f240aa f=d0 x=6 F=d0;
        800:65f248a7 i1=2e i6=100198e i7=1001cce f=8c5 o1=2d o6=1001996 o7=1001cd6 F=44;
        800:f348a6 i1=35 i6=100fd4b i7=1007064 f=1 o1=34 o6=100fd4c o7=1007065 F=11;
        800:f2ac i0=200000000 i1=2 i6=10002bf f=854 o0=2000000fb o1=0 o6=10002c1 F=854;
        800:66f340a6 i1=3c i6=1008dee i7=10027e8 f=814 o1=3b o6=1008def o7=10027e9 F=91;
        800:8f45eb i4=100b160 i5=100941a f=90 o4=100b168 m9405=4efd89b2d2dcfef5 F=90;
        800:418fc5 i4=100d642 id=1 f=84 o4=100d64a od=db3db3efd93f78 F=84;
        800:6801000000 i4=100868f f=d4 o4=1008687 m8687=0100000000000000 F=d4;
        800:4858 i0=6a7b2b801d0518d3 i4=1003c8e f=50 o0=1e2828bf0000 o4=1003c96 F=50;
        800:2e6809000000 i4=100a5bc f=11 o4=100a5b4 ma5b4=0900000000000000 F=11;
        800:9c i4=1000f05 f=840 o4=1000efd mefd=420a000000000000 F=840;
        800:66406a47 i4=1006007 f=44 o4=1006005 m6005=4700 F=44;
        800:68ffffff0f i4=100e680 f=40 o4=100e678 me67b=0f00000000 F=40;
        800:6749fff1 i4=1004782 i9=7fff f=c0 o4=100477a m477b=7f000000000000 F=c0;
        ffc:f9 f=814 F=815;
        800:9e i0=7fffffff f=54 F=d5;
        800:48fd f=850 F=c50;
        800:fc f=815 F=815;
        800:f8 f=0 F=0;
        ffe:f5 f=8d1 F=8d0;
        800:9f i0=ffffffffffffff00 f=891 o0=ffffffffffff9300 F=891;
        800:489e f=801 F=801;
        800:40f5 f=805 F=804;
        800:d7 i0=4c8cd241 i3=100ab91 f=c4 o0=4c8cd2c0 F=c4;
        800:663ed7 i0=fffffffffffffff5 i3=100aae2 f=890 o0=ffffffffffffff00 F=890;
        800:40d7 i0=20 i3=100be0e f=891 o0=0 F=891;
        800:65a03c13000100000000 i0=fffffffffffffffb f=85 o0=ffffffffffffffff F=85;
        800:d7 i0=fb00ce7 i3=100ac79 f=814 o0=fb00c0e F=814;
        800:6566d7 i0=2000000000000 i3=1008a54 f=d1 o0=2000000000007 F=d1;
        800:6640d7 i0=ffffffff i3=100a4d9 f=d4 o0=fffffff1 F=d4;
        800:65a32e78000100000000 i0=f2f0f489 f=5 m7b6e=89f4f0f2 F=5;
        800:48a0cd66000100000000 i0=ffff800000000000 f=d4 F=d4;
        ffc:eb1eb56bb711b4b2b5f6b559b703b0efb527b4e6b1a0b382b3d7b409b480b5d2 f=10 F=10;
        800:7022b14fb603b198b0abb451b7fdb1afb14cb121b763b7cfb564b642b609b4ecb27db320 f=880
        F=880;
        800:6806082001c39090 i4=10030eb f=8d5 m30e3=060820010000 F=8d5;
        800:e320b613b19bb7b3b4feb105b7c7b49cb52ab218b45fb5acb0b0b240b59cb44fb52d
        i0=ffffffffffffffef i1=1 i2=ff i3=fffffff000000000 f=44 o0=ffffffffffff4fb0 o1=2d05
        o2=1340 o3=fffffff00000c700 F=44;
        800:7f10b420b5d2b203b35eb3e2b181b7c8b50d i0=ff i1=d i2=ffffffffffffffff i3=7c46311d
        f=d1 o0=20ff o1=d81 o2=ffffffffffffff03 o3=7c46c8e2 F=d1;
        800:e808000000b5b5b204b634b3ed i4=1003d56 f=d1 o4=1003d4e m3d4e=050820010000 F=d1;
        800:7d0ab201b459b638b13db13b i0=fffc000000000000 i1=56d44013 i2=c5 f=801
        o0=fffc000000005900 o1=56d4403b o2=3801 F=801;
        800:7116b5a2b2c9b2d8b422b1a2b5abb688b22fb5edb75db693 i0=a1f99f77590a1364
        i1=ffffffffffffff43 i2=80000000 i3=3f f=895 o0=a1f99f77590a2264 o1=ffffffffffffeda2
        o2=8000932f o3=5d3f F=895;
        800:6806082001c39090 i4=1004895 f=884 m488d=0608200100000000 F=884;
        800:488d050c000000ffd0b3d1b1ecb5e2b2aab16f i0=1 i4=10075df f=851 o0=1200813 o4=10075d7
        m75d7=0908200100000000 F=851;
        800:488d0504000000ffd0b0f4 i0=500fa6d7804c0bf4 i4=100dfa8 f=d1 o0=120080b o4=100dfa0
        mdfa0=0908200100000000 F=d1;
        fff:4c8d1d0d00000041ffe3b471b779b7aab3e9b261 ib=7fffffffffffffff f=851 ob=1201013 F=851;
        800:488d2d02000000ffe5 i5=99e282510ed810c5 f=41 o5=1200809 F=41;
        800:4c8d150b00000041ffe2b7b1b689b0dfb3dd ia=ffffffffa8a8b82c f=0 oa=1200812 F=0;
        800:488d0d04000000ffd1b1fe i1=fffffffffc000000 i4=1006014 f=845 o1=120080b o4=100600c
        m600c=0908200100000000 F=845;
        800:4c8d050b00000041ffe0b0cab10cb0beb021 i8=ffffffffffff8000 f=894 o8=1200812 F=894;
        800:4c8d0d0b00000041ffe1b1a7b1b5b030b4a0 i9=7f f=c0 o9=1200812 F=c0;
        800:4c8d050900000041ffd0b51db529b5d1 i4=1005323 i8=1b f=94 o4=100531b o8=1200810
        m531b=0a08200100000000 F=94;
        """
}
